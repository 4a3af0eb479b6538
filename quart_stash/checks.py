"""What a declared view must be, and how the routes of an application must fit it. Each error says what to write."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from quart import Quart, has_request_context

from .errors import ConfigurationError
from .live.notices import Notices

__all__ = [
    "Declared",
    "check_app",
    "check_form",
    "check_handler",
    "check_loader",
    "check_name",
    "check_request",
    "check_routes",
    "check_state",
]

AnyFunction = Callable[..., Any]


class Declared(NamedTuple):
    """A view as it was declared.

    Attributes:
        handler: the function that was decorated.
        name: as given; None: the endpoint's.
    """

    handler: AnyFunction
    name: str | None


def check_state(state: object) -> None:
    """Refuse what is often passed as the type of a state by mistake; `StateType` judges the rest.

    Raises:
        ConfigurationError: it is the handler, a state instead of its type, or a Pydantic model.
    """
    if inspect.isroutine(state) or isinstance(state, functools.partial):
        raise ConfigurationError(
            f"{_name(state)} stands where the type of the state should: "
            "write @stash.view(), or @stash.view(Counter), with parentheses"
        )
    if isinstance(state, type):
        if hasattr(state, "model_dump") or hasattr(state, "__fields__"):
            raise ConfigurationError(
                f"{_name(state)} is a Pydantic model, which can't be a state: declare a dataclass with its fields, "
                "or a dict field that keeps its model_dump(mode='json')"
            )
    elif dataclasses.is_dataclass(state) or isinstance(state, dict) or hasattr(state, "model_dump"):
        raise ConfigurationError(
            f"pass the type of the state, {type(state).__name__}, not one of its objects"
        )


def check_loader(loader: object) -> None:
    """Refuse an identity loader that can't be called.

    Raises:
        ConfigurationError: it is no function.
    """
    if not callable(loader):
        raise ConfigurationError(f"an identity loader is a function, not {type(loader).__name__}")


def check_app(app: object) -> None:
    """Refuse an application that is not Quart's.

    Raises:
        ConfigurationError: it is another framework's.
    """
    if not isinstance(app, Quart):
        raise ConfigurationError(
            f"QuartStash wires a Quart application, not {type(app).__name__}: "
            "wrap any other ASGI application in quart_stash.asgi.StashMiddleware"
        )


def check_form(name: object) -> None:
    """Refuse a form's name that can't be one.

    Raises:
        ConfigurationError: it is no text, or empty.
    """
    if not isinstance(name, str) or not name:
        raise ConfigurationError(
            "stash_clear takes the name of a form, as its data-stash attribute has it, not "
            f"{'nothing' if name == '' else type(name).__name__}"
        )


def check_name(view: object, names: Collection[str], notices: Notices) -> None:
    """Refuse what is no name of a view, and say where there is no view of that name.

    Args:
        view: the name for which page params are to be signed; None: any view.
        names: of the application's views.
        notices: of the application.

    Raises:
        ConfigurationError: it is the view itself, say.
    """
    if view is None or view in names:
        return
    if not isinstance(view, str):
        raise ConfigurationError(
            f"page params are signed for a view by its name, its endpoint say, not by {type(view).__name__}"
        )
    notices.say(
        logging.WARNING,
        view,
        "page params are signed for the view %r, which this application does not have: "
        "no other view takes them. It has %s",
        view,
        ", ".join(sorted(names)) or "none",
    )


def check_request() -> None:
    """Refuse to write a page's tag where no page is rendered.

    Raises:
        ConfigurationError: no request is being answered.
    """
    if not has_request_context():
        raise ConfigurationError(
            "stash_script() needs a request, since it says who the page is for: "
            "call it while a page is rendered, not in a WebSocket, a task or a mail"
        )


def check_handler(handler: object, views: Iterable[AnyFunction]) -> None:
    """Refuse a handler that can't serve a connection.

    Args:
        handler: what was decorated.
        views: what `@stash.view` has returned before.

    Raises:
        ConfigurationError: it is no coroutine function, takes no view, or is a view already.
    """
    if not callable(handler):
        raise ConfigurationError(f"@stash.view decorates a function, not {type(handler).__name__}")
    if any(layer is view for layer in _layers(handler) for view in views):
        raise ConfigurationError(f"{_name(handler)} is a view already: decorate it once")
    innermost = inspect.unwrap(handler)
    if inspect.isasyncgenfunction(innermost):
        raise ConfigurationError(
            f"{_name(handler)} yields: a view sends with `await view.send(…)`, and must not be a generator"
        )
    asynchronous = (innermost, getattr(innermost, "func", None), getattr(innermost, "__call__", None))  # noqa: B004
    if not any(inspect.iscoroutinefunction(function) for function in asynchronous):
        raise ConfigurationError(
            f"{_name(handler)} is a plain function: the handler of a view is `async def`, "
            "and a decorator around it uses functools.wraps"
        )
    try:
        parameters = inspect.signature(handler).parameters.values()
    except (TypeError, ValueError):
        return
    if not any(parameter.kind in _POSITIONAL for parameter in parameters):
        raise ConfigurationError(
            f"{_name(handler)} takes no view: write `async def {_name(handler)}(view)`, "
            "and the route's arguments after it"
        )


_POSITIONAL = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.VAR_POSITIONAL,
)


def check_routes(app: Quart, views: Mapping[AnyFunction, Declared]) -> set[str]:
    """Compare the routes of an application with the views that were declared.

    Args:
        app: the application, with all of its routes.
        views: what `@stash.view` returned, and what it was given.

    Returns:
        The names of the application's views.

    Raises:
        ConfigurationError: a handler is a route without its view, a view is not at a WebSocket, or two views
            have one name.
    """
    declared = {id(view): view for view in views}  # callable objects need not be hashable
    handlers = {id(of.handler) for of in views.values()}
    named: dict[str, AnyFunction] = {}
    for rule in app.url_map.iter_rules():
        route = app.view_functions.get(rule.endpoint)
        layers = [] if route is None else list(_layers(route))
        view = next((declared[id(layer)] for layer in layers if id(layer) in declared), None)
        if view is None:
            if any(id(layer) in handlers for layer in layers):
                raise ConfigurationError(
                    f"the route {rule.rule} bypasses its view: "
                    "put @app.websocket(…) above @stash.view(…), as the outermost decorator"
                )
            continue
        if not rule.websocket:
            raise ConfigurationError(
                f"the view at {rule.rule} is no WebSocket route: declare it with @app.websocket(…)"
            )
        name = views[view].name or rule.endpoint
        if named.setdefault(name, view) is not view:
            raise ConfigurationError(
                f"two views have the name {name!r}, so each would take what was signed for the other: "
                "give each its own, with @stash.view(…, name=…)"
            )
    return set(named)


def _layers(function: Any) -> Iterator[Any]:
    """Return a function and what it wraps, outermost first."""
    seen: set[int] = set()
    while function is not None and id(function) not in seen:
        seen.add(id(function))
        yield function
        function = getattr(function, "__wrapped__", None)


def _name(value: object) -> str:
    return getattr(value, "__name__", None) or type(value).__name__
