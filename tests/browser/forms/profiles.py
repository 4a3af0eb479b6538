"""How many examples are tried: few, and always the same, unless Hypothesis is told to go deep."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings


def of_profile(*, examples: int, steps: int) -> settings:
    """Settings for so many examples of so many steps; deep, of a hundred times as many, and others each time."""
    deep = settings.get_current_profile_name() == "deep"
    return settings(
        max_examples=examples * 100 if deep else examples,
        stateful_step_count=steps,
        derandomize=not deep,
        database=None,
        report_multiple_bugs=False,
        # To make an example smaller takes minutes, in which nothing is said.
        phases=[Phase.generate, Phase.shrink] if deep else [Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
