"""Configuration: every `STASH_*` key, its default, and a clear refusal of what can't work."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

import pytest
from quart import Quart

from quart_stash import ConfigurationError
from quart_stash.config import StashConfig, keyring_from_mapping

from .live.pipe import OTHER_SECRET, SECRET


def test_defaults() -> None:
    """Without any key the documented defaults hold."""
    config = StashConfig.from_mapping({})
    assert config == StashConfig()
    assert config.shutdown_timeout == 10
    assert config.token_max_age == 86400
    assert config.sync_interval == 0.25
    assert config.reconnect_rate == 500
    assert config.silence_timeout == 120
    assert config.max_connection_age is None
    assert config.max_state_size == 65536
    assert config.max_mount_size == 262144
    assert config.max_queue == 256
    assert config.url_prefix == "/_stash"
    assert config.allowed_origins is None
    assert config.build is None


def test_the_mount_time_out_follows_the_shutdown_time_out() -> None:
    """A socket opened ahead waits for the old one's drain, so the mount has five seconds more, unless it is set."""
    assert StashConfig(shutdown_timeout=20).effective_mount_timeout == 25
    assert StashConfig(shutdown_timeout=20, mount_timeout=3).effective_mount_timeout == 3


def test_only_our_keys_are_read() -> None:
    """Keys of others are none of our business, and `None` is taken where it is the default."""
    config = StashConfig.from_mapping(
        {
            "SECRET_KEY": 7,
            "STASHED": 1,
            "STASH_BUILD": None,
            "STASH_MOUNT_TIMEOUT": None,
            "STASH_SILENCE_TIMEOUT": None,
            "STASH_SHUTDOWN_TIMEOUT": 3,
        }
    )
    assert config.shutdown_timeout == 3
    assert config.silence_timeout is None


def test_allowed_origins_are_a_list_of_text() -> None:
    """A list of origins is taken as it is."""
    origins = ["https://example.com", "https://*.example.com"]
    assert StashConfig.from_mapping({"STASH_ALLOWED_ORIGINS": origins}).allowed_origins == tuple(origins)


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("https://example.com", ("https://example.com",)),
        ("https://example.com,https://*.example.org", ("https://example.com", "https://*.example.org")),
        (" https://example.com , ", ("https://example.com",)),
        ('["https://example.com"]', ("https://example.com",)),
        ("", ()),
    ],
    ids=repr,
)
def test_allowed_origins_from_the_environment(
    text: str, origins: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment variable lists origins with commas, or as JSON; empty it allows none but the own host's."""
    monkeypatch.setenv("QUART_STASH_ALLOWED_ORIGINS", text)
    app = Quart("tests")
    app.config.from_prefixed_env()
    assert StashConfig.from_mapping(app.config).allowed_origins == origins


def test_values_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build that is a number is taken as text; where JSON makes something else of a value, the text says what to write."""
    app = Quart("tests")
    monkeypatch.setenv("QUART_STASH_BUILD", "1234567")
    app.config.from_prefixed_env()
    assert StashConfig.from_mapping(app.config).build == "1234567"
    for key, value, text in (
        ("STASH_BUILD", "12e4", "must be str, not float; .* in quotes of its own"),
        ("STASH_SILENCE_TIMEOUT", "None", "not str; .* or null where None is meant"),
        ("STASH_ALLOWED_ORIGINS", "7", "a list of strings, .* or one string with commas"),
    ):
        monkeypatch.setenv(f"QUART_{key}", value)
        app.config.from_prefixed_env()
        with pytest.raises(ConfigurationError, match=text):
            StashConfig.from_mapping({key: app.config[key]})


@pytest.mark.parametrize(
    "fallbacks", [OTHER_SECRET, f"{SECRET},{OTHER_SECRET}", 7], ids=["key", "keys", "number"]
)
def test_fallbacks_are_a_list(fallbacks: Any) -> None:
    """Fallback keys that are no list are refused with the way to write one, not taken letter by letter."""
    with pytest.raises(ConfigurationError, match="QUART_SECRET_KEY_FALLBACKS='") as error:
        keyring_from_mapping({"SECRET_KEY": SECRET, "SECRET_KEY_FALLBACKS": fallbacks})
    assert OTHER_SECRET not in str(error.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("STASH_SHUTDOWN_TIMEOUT", "20"),
        ("STASH_SHUTDOWN_TIMEOUT", True),
        ("STASH_SHUTDOWN_TIMEOUT", 0),
        ("STASH_SHUTDOWN_TIMEOUT", float("nan")),
        ("STASH_SHUTDOWN_TIMEOUT", None),
        ("STASH_TOKEN_MAX_AGE", -1),
        ("STASH_SYNC_INTERVAL", -0.1),
        ("STASH_MOUNT_TIMEOUT", 0),
        ("STASH_SILENCE_TIMEOUT", 0),
        ("STASH_SILENCE_TIMEOUT", "120"),
        ("STASH_MAX_CONNECTION_AGE", -1),
        ("STASH_MAX_CONNECTION_AGE", float("nan")),
        ("STASH_RECONNECT_RATE", 0),
        ("STASH_MAX_STATE_SIZE", 1.5),
        ("STASH_MAX_STATE_SIZE", 0),
        ("STASH_MAX_MOUNT_SIZE", 10),
        ("STASH_MAX_MOUNT_SIZE", 65536),  # less than the token of the largest state
        ("STASH_MAX_MESSAGE_SIZE", 10),
        ("STASH_MAX_QUEUE", 0),
        ("STASH_MAX_QUEUE", True),
        ("STASH_ALLOWED_ORIGINS", [7]),
        ("STASH_ALLOWED_ORIGINS", ["example.com"]),
        ("STASH_ALLOWED_ORIGINS", "https://example.com, example.org"),
        ("STASH_ALLOWED_ORIGINS", b"https://example.com"),
        ("STASH_ALLOWED_ORIGINS", 7),
        ("STASH_URL_PREFIX", "_stash"),
        ("STASH_URL_PREFIX", "/_stash/"),
        ("STASH_URL_PREFIX", "/"),
        ("STASH_URL_PREFIX", None),
        ("STASH_BUILD", True),
        ("STASH_BUILD", 12e4),
    ],
    ids=repr,
)
def test_what_is_refused(key: str, value: Any) -> None:
    """A value of the wrong type or out of range is refused, by the name of its key."""
    with pytest.raises(
        ConfigurationError, match=re.escape(key) if key != "STASH_ALLOWED_ORIGINS" else "origin|ORIGIN"
    ):
        StashConfig.from_mapping({key: value})


def test_an_unknown_key_is_refused() -> None:
    """A misspelt key is refused with the list of those that there are."""
    with pytest.raises(ConfigurationError, match=r"STASH_SHUTDOWN_TIME is not .*STASH_SHUTDOWN_TIMEOUT"):
        StashConfig.from_mapping({"STASH_SHUTDOWN_TIME": 3})


def test_every_field_says_what_it_means() -> None:
    """Every key has a description, which the documentation's table is made of."""
    assert all(entry.metadata["about"] for entry in fields(StashConfig))


def test_the_keyring() -> None:
    """SECRET_KEY seals, it and SECRET_KEY_FALLBACKS open; without the first it is refused."""
    keyring = keyring_from_mapping({"SECRET_KEY": SECRET, "SECRET_KEY_FALLBACKS": [OTHER_SECRET]})
    assert keyring.newest == keyring_from_mapping({"SECRET_KEY": SECRET}).newest
    assert keyring_from_mapping({"SECRET_KEY": OTHER_SECRET}).newest in keyring


@pytest.mark.parametrize(
    "mapping", [{}, {"SECRET_KEY": None}, {"SECRET_KEY": ""}, {"SECRET_KEY": "dev"},
                {"SECRET_KEY": None, "SECRET_KEY_FALLBACKS": [SECRET]}],
    ids=repr,
)  # fmt: skip
def test_no_secret_key(mapping: dict[str, Any]) -> None:
    """A missing, empty or sample key is refused, also where there is a fallback, and the text says how to make one."""
    with pytest.raises(ConfigurationError, match="token_urlsafe"):
        keyring_from_mapping(mapping)
