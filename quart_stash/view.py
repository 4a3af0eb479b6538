"""View and Message: what a handler holds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

import msgspec
from werkzeug.datastructures import MultiDict

from .core import frames
from .core.events import Message as Incoming
from .core.text import read
from .errors import ConfigurationError
from .forms import Pushed, StashedForm, Submit, submit_in
from .live.callers import verb
from .live.session import Session
from .values import check_data, check_secret, check_whole, encoded, is_text

__all__ = ["Message", "Mounting", "View"]

S = TypeVar("S")

Status = Literal["fresh", "restored", "rejected", "plain"]
Area = Literal["tab", "browser"]

_any: msgspec.json.Decoder[Any] = msgspec.json.Decoder()

_CLOSE_CODES = frozenset({1000, 1001, 1003, *range(1007, 1015)})


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the client.

    Attributes:
        data: the payload, as it was sent: text or bytes.
        number: 1, 2, 3 … over the whole life of the view, across connections. As a fence it keeps out a
            stopped process that wakes up late: `UPDATE … WHERE last < :number`.
        key: `view.id:number`, the idempotency key for effects outside the state: the same whenever this message is
            handled again. A copy of the view (a duplicated tab) has other keys, so what may be done once at all,
            such as a voucher, needs a key of its own.
        replayed: whether the client sent it again after a reconnect: an earlier process may have handled it.
    """

    data: str | bytes = field(repr=False)
    number: int
    key: str
    replayed: bool
    # Empty until somebody asks: most messages are no submits.
    _submit: list[Submit | None] = field(default_factory=list, init=False, repr=False, compare=False)

    def json(self) -> Any:
        """Return the payload, parsed as JSON. Half of a surrogate pair in it is U+FFFD, as in what a browser posts.

        Raises:
            ValueError: it is not JSON, or too deep to be read.
        """
        try:
            return read(_any, self.data)
        except RecursionError:
            raise ValueError("the message is nested too deep") from None

    def form(self, name: str) -> MultiDict[str, str] | None:
        """Return the fields of a form that the page has submitted with `socket.submit`, **untrusted**.

        Args:
            name: of the form.

        Returns:
            Its fields as a post would carry them, ready for WTForms; `None` if the message is anything else.
        """
        if not self._submit:
            self._submit.append(submit_in(self.data))
        (submit,) = self._submit
        return MultiDict(submit.fields) if submit and submit.form == name else None


@dataclass(frozen=True)
class Mounting:
    """How a view was mounted.

    Attributes:
        id: stable for the life of the view, across processes.
        status: `fresh`, `restored` from a token, `rejected` (there was a token, but it was not accepted; or the
            page was rendered for another user), or `plain` (the client does not speak the protocol).
        reason: why it was rejected.
        lineage: the id of the view that this one and all its copies come from.
        pushed: the connect params and the stashed forms, **untrusted**.
        invalid: which params were refused, and why.
        page: the signed page params.
        identity: who the connection belongs to.
    """

    id: str
    status: Status
    reason: str | None = None
    lineage: str = ""
    pushed: Pushed = field(default_factory=Pushed, repr=False)
    invalid: Mapping[str, str] = field(default_factory=dict)
    page: Mapping[str, Any] = field(default_factory=dict, repr=False)
    identity: str | None = field(default=None, repr=False)


class View(Generic[S]):
    """A mounted view: the typed state, how it was mounted, and the way to the client.

    Asking for the next message is the commit point: the state as it is then is what a restart restores. When
    the view has been handed back in a drain, the handler is cancelled there, as Quart cancels it when a
    client disconnects. Returning means that the view is finished, and the client forgets it.
    """

    def __init__(self, session: Session, mounting: Mounting) -> None:
        self._session = session
        self._mounting = mounting

    def __repr__(self) -> str:
        return f"<View {self.id} {self.status}>"

    @property
    def state(self) -> S:
        """The state; change it in place, or assign a new one."""
        state: S = self._session.state
        return state

    @state.setter
    def state(self, state: S) -> None:
        self._session.state = state

    @property
    def id(self) -> str:
        """Stable for the life of the view, across processes."""
        return self._mounting.id

    @property
    def lineage(self) -> str:
        """The `id` of the view that this one and all its copies (duplicated tabs) come from; its own, without any."""
        return self._mounting.lineage

    @property
    def status(self) -> Status:
        """`fresh`, `restored`, `rejected` or `plain`."""
        return self._mounting.status

    @property
    def reason(self) -> str | None:
        """Why it was rejected: `expired`, `stale`, `refused` or `identity`."""
        return self._mounting.reason

    @property
    def restored(self) -> bool:
        """Whether the state comes from a token."""
        return self.status == "restored"

    @property
    def params(self) -> Mapping[str, Any]:
        """The connect params, plain JSON, **untrusted**."""
        return self._mounting.pushed.params

    @property
    def invalid(self) -> Mapping[str, str]:
        """Which params were refused, and why: client-settable ones that don't fit, and any that can't be read."""
        return self._mounting.invalid

    @property
    def forms(self) -> Mapping[str, StashedForm]:
        """The stashed forms by name, **untrusted**: of each the fields that the user has touched."""
        return self._mounting.pushed.forms

    @property
    def page(self) -> Mapping[str, Any]:
        """The values that the page signed with `sign_page`."""
        return self._mounting.page

    @property
    def identity(self) -> str | None:
        """Who the connection belongs to."""
        return self._mounting.identity

    @property
    def draining(self) -> bool:
        """Whether the view is being handed back, for handlers that poll."""
        return self._session.draining

    async def __aiter__(self) -> AsyncIterator[Message]:
        while True:
            yield await self.receive()

    async def receive(self) -> Message:
        """Commit, and return the next message.

        Raises:
            ViewLeft: outside of the view's own handler, once the view was handed back or has ended.
        """
        return self._message(await self._session.verbs.receive())

    async def receive_json(self) -> Any:
        """Commit, and return the next message parsed as JSON."""
        return (await self.receive()).json()

    @verb
    async def send(self, data: str | bytes) -> bool:
        """Send to the client. In the view's own handler, while no message is being handled, this is a commit point.

        Anybody else may send as well: another view's handler, a background task, a request. That is no commit,
        and it never waits for a hand-over. If the client does not read, up to `STASH_MAX_QUEUE` messages are queued
        for it. The sender that finds the queue full waits for a second at most.

        Returns:
            Whether the message is on its way. `False`: the view is leaving or has left, or its client does not read.

        Raises:
            TypeError, ValueError: it is neither text that UTF-8 can hold nor bytes.
        """
        check_data(data)
        return await self._session.verbs.send(data)

    @verb
    async def send_json(self, value: Any) -> bool:
        """Send a value as JSON text. Returns whether it is on its way, as `send` does.

        Raises:
            TypeError, ValueError: JSON can't hold it.
        """
        return await self.send(encoded(msgspec.json.encode, value, "view.send_json").decode())

    async def commit(self) -> None:
        """Commit in the middle of a long handler: the message in hand counts as received.

        A token that says so follows within the sync interval. A process that dies before has it replayed.

        Raises:
            RuntimeError: something else than the view's own handler calls.
        """
        await self._session.verbs.commit()

    async def keep(self, key: str, value: Any, *, max_age: int, area: Area = "tab") -> None:
        """Let the browser keep a secret, encrypted; the server keeps nothing.

        Returns once the browser has confirmed, so that using the secret is safe from then on. The pattern:
        restore or create, keep, then use. A plain client keeps nothing.

        Args:
            key: its name, up to 128 characters.
            value: whatever MessagePack can hold.
            max_age: seconds after which it is not given back.
            area: `tab` (gone with the tab) or `browser`.

        Raises:
            ViewLeft: outside of the view's own handler, once the view was handed back or has ended. So do `restore`
                and `forget`.
        """
        check_secret(key, area)
        if type(max_age) is not int or max_age < 1:
            raise ConfigurationError("max_age is a whole number of seconds, 1 or more")
        payload = encoded(msgspec.msgpack.encode, value, "view.keep")
        await self._session.secrets.keep(key, payload, max_age=max_age, area=area)

    async def restore(self, key: str, *, area: Area = "tab") -> Any:
        """Return what `keep` was given under `key`, or `None` if the browser has nothing acceptable there."""
        check_secret(key, area)
        kept = await self._session.secrets.restore(key, area=area)
        return None if kept is None else msgspec.msgpack.decode(kept)

    async def forget(self, key: str, *, area: Area = "tab") -> None:
        """Let the browser drop what it keeps under `key`. Returns once it has confirmed."""
        check_secret(key, area)
        await self._session.secrets.forget(key, area=area)

    @verb
    async def clear_form(self, name: str) -> bool:
        """A stashed form has been dealt with: the browser drops what it keeps of it.

        It counts for all submits of the form up to the message that the handler has in hand, or had last; for those
        that were refused, too. What was typed or submitted later stays.

        Returns:
            Whether that is on its way, as for `send`.
        """
        if not is_text(name, 1, 256, "view.clear_form"):
            raise ConfigurationError("the name of a form is a text of 1 to 256 characters")
        return await self._session.verbs.clear(name)

    @verb
    async def reflect(self, **params: str | int | None) -> bool:
        """Put simple state into the query string of the page's URL; `None` takes a name out.

        Returns:
            Whether that is on its way, as for `send`.
        """
        for name, value in params.items():
            if not (value is None or isinstance(value, str | int | float)):
                raise ConfigurationError(
                    f"view.reflect puts text and numbers into the page's address, not {type(value).__name__} "
                    f"as {name!r}: write it as text"
                )
            check_whole(name + str(value), "view.reflect")
        values = {name: None if value is None else str(value) for name, value in params.items()}
        return await self._session.verbs.say(frames.Url(values))

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection. With 1000 the view is finished, and the client forgets it.

        Args:
            code: one that an application may send (RFC 6455, section 7.4): 1000, 1001, 1003, 1007 to 1014,
                or 3000 to 4999. After 1008 the client does not come back; after the others it does.
            reason: at most 123 bytes of UTF-8.
        """
        if type(code) is not int or not (code in _CLOSE_CODES or 3000 <= code <= 4999):
            raise ConfigurationError(
                f"{code!r} is not a close code that may be sent: take one from 4000 to 4999"
            )
        if not is_text(reason, 0, 123, "view.close") or len(reason.encode()) > 123:
            raise ConfigurationError("the reason of a close is a text of 123 bytes at most")
        await self._session.verbs.close(code, reason)

    def _message(self, incoming: Incoming) -> Message:
        key = f"{self._mounting.id}:{incoming.number}"
        return Message(incoming.data, incoming.number, key, incoming.replayed)
