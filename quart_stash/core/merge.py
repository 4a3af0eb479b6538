"""Mounting is a function: fresh state, then what a token holds, then what the client may set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec

from ..errors import ProtocolError, TokenError, TokenRefused, TokenUnjudgeable
from .state import StateType
from .tokens import Context, Sealer

__all__ = ["IDENTITY", "Merged", "Snapshot", "Status", "merge", "seal_snapshot"]

S = TypeVar("S")

Status = Literal["fresh", "restored", "rejected"]

IDENTITY = "identity"
"""Why a page without a token is rejected: somebody else has logged in since it was rendered."""


class Snapshot(msgspec.Struct, frozen=True, array_like=True):
    """What a view's token seals: its state after exactly the first `received` messages.

    Attributes:
        view_id: stable for the life of the view, across processes.
        received: how many of the client's messages the state covers.
        state: as `StateType.encode` returned it. Its version stands in the token's header.
        lineage: the id of the view that this one, or the one it is a copy of, and so on, was forked from; empty: it
            was not.
    """

    view_id: str
    received: Annotated[int, msgspec.Meta(ge=0)]
    state: msgspec.Raw
    lineage: str = ""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Snapshot)


@dataclass(frozen=True)
class Merged(Generic[S]):
    """A view as it is mounted.

    Attributes:
        status: what became of what the client held: it held nothing, it was restored, it was rejected.
        reason: for a rejected one, the word that the client is told.
        view_id: the token's, or a new one (fresh, rejected, forked).
        lineage: the id of the view that all its forks come from; its own, where there was no fork.
        received: how many of the client's messages the state covers.
        state: the merged state.
        invalid: why each refused client-settable param was refused.
        dropped: why each form that can't be read was dropped.
        issued_at: when the restored token was issued, in seconds since the epoch.
        error: for a rejected token, what was wrong with it; for the log, not for the client.
    """

    status: Status
    reason: str | None
    view_id: str
    lineage: str
    received: int
    state: S = field(repr=False)
    invalid: dict[str, str]
    issued_at: float | None = None
    error: TokenError | None = None
    dropped: dict[str, str] = field(default_factory=dict)


def seal_snapshot(sealer: Sealer, context: Context, snapshot: Snapshot, *, version: int, now: float) -> str:
    """Seal a snapshot into a token.

    Args:
        sealer: whose newest key is used.
        context: what `merge` will be given for this view.
        snapshot: what the token is to hold.
        version: of the state within.
        now: seconds since the epoch.
    """
    return sealer.seal(_encoder.encode(snapshot), context, version=version, now=now)


def merge(
    state_type: StateType[S],
    sealer: Sealer,
    context: Context,
    *,
    token: str | None,
    params: Mapping[str, Any],
    sent: int,
    fork: bool,
    anyway: bool,
    foreign: bool = False,
    new_id: str,
    max_age: float,
    max_size: int,
    now: float,
) -> Merged[S]:
    """Merge a fresh state, the client's token and its connect params; the client-settable ones go on last.

    Args:
        state_type: what the view declares.
        sealer: opens the token.
        context: what the token must be bound to.
        token: the client's, if it holds one.
        params: the connect params, untrusted.
        sent: the number of the client's newest message.
        fork: the view goes on under a new id, because another tab goes on under the old one.
        anyway: mount also if the token can't be judged.
        foreign: the page was rendered for somebody else. Its messages are not this identity's, unless the token is.
        new_id: the id of a view that is new or forked.
        max_age: of the token, in seconds.
        max_size: bytes of an encoded state; params that would exceed it are refused.
        now: seconds since the epoch.

    Raises:
        TokenUnjudgeable: another process may accept the token: the caller closes with 4409 and mounts
        nothing. ProtocolError: the client claims to have sent fewer messages than the token covers.
    """
    restored: _Restored[S] | None = None
    error: TokenError | None = None
    if token is not None:
        try:
            restored = _restore(state_type, sealer, context, token, max_age=max_age, now=now)
        except TokenUnjudgeable as caught:
            if not anyway:
                raise
            error = caught
        except TokenError as caught:
            error = caught
    if restored is None:
        state, invalid = state_type.apply(state_type.fresh(), params, max_size)
        reason = error.reason if error is not None else IDENTITY if foreign else None
        status: Status = "fresh" if reason is None else "rejected"
        return Merged(status, reason, new_id, new_id, 0, state, invalid, error=error)
    if sent < restored.received:
        raise ProtocolError("the client has sent fewer messages than its token covers")
    state, invalid = state_type.apply(restored.state, params, max_size)
    view_id = new_id if fork else restored.view_id
    return Merged(
        "restored", None, view_id, restored.lineage, restored.received, state, invalid, restored.issued_at
    )


@dataclass(frozen=True)
class _Restored(Generic[S]):
    view_id: str
    lineage: str
    received: int
    state: S = field(repr=False)
    issued_at: float


def _restore(
    state_type: StateType[S], sealer: Sealer, context: Context, token: str, *, max_age: float, now: float
) -> _Restored[S]:
    header = sealer.header(token)
    header.check_age(max_age, now)
    # Before it is opened: newer code may bind its tokens to something else too, and they are not to be lost
    # here.
    if header.version > state_type.version:
        raise TokenUnjudgeable(f"state version {header.version} is newer than {state_type.version}")
    opened = sealer.open(token, context, max_age=max_age, now=now)
    try:
        snapshot = _decoder.decode(opened.payload)
    except msgspec.DecodeError:
        raise TokenRefused("the token holds no view") from None
    state = state_type.decode(bytes(snapshot.state), header.version)
    lineage = snapshot.lineage or snapshot.view_id
    return _Restored(snapshot.view_id, lineage, snapshot.received, state, header.issued_at)
