"""Signed page params: values that the page which opens a socket may set, readable but not to be changed."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, NamedTuple

from itsdangerous import BadSignature, Signer

from ..errors import TokenRefused
from .keys import Keyring
from .tokens import Context

__all__ = ["Page", "PageSigner", "digest"]

_PURPOSE = "page"


class Page(NamedTuple):
    """Page params that were verified.

    Attributes:
        values: as they were signed.
        expires: seconds since the epoch after which they may not begin a view; `None`: never.
    """

    values: dict[str, Any]
    expires: float | None


class PageSigner:
    """Signs and verifies page params with itsdangerous (HMAC-SHA256).

    The same values, signed for the same identity, give the same text as long as the newest key is the same.

    Args:
        keyring: the newest key signs, every key verifies.
    """

    def __init__(self, keyring: Keyring) -> None:
        self._keys = keyring.signing_keys(_PURPOSE)

    def sign(
        self,
        values: Mapping[str, Any],
        *,
        identity: str | None,
        view: str | None,
        expires: float | None = None,
    ) -> str:
        """Sign values for one identity, and for one view or any.

        Args:
            values: what JSON can hold.
            identity: who may use them; it is bound, but does not show in the text.
            view: the view that may take them; None: any.
            expires: seconds since the epoch after which they may not begin a view; None: never.

        Returns:
            URL-safe text.

        Raises:
            TypeError, ValueError: a value is not JSON's.
        """
        # Sorted and not compressed, so that equal values make equal text in every process: tokens bind its
        # digest.
        body = json.dumps([dict(values), view], separators=(",", ":"), sort_keys=True, allow_nan=False)
        payload = urlsafe_b64encode(body.encode()).rstrip(b"=")
        if expires is not None:
            payload += (
                b".%d" % expires
            )  # behind the payload, so that its digest does not change with every page
        return self._signer(identity).sign(payload).decode("ascii")

    def verify(self, text: str, *, identity: str | None, view: str | None) -> Page:
        """Return page params that were signed for this identity and this view; whether they are old is not judged.

        Raises:
            TokenRefused: tampered with, signed with a key that is gone, or for another identity or view.
        """
        try:
            payload, dot, expires = self._signer(identity).unsign(text).partition(b".")
        except (BadSignature, UnicodeEncodeError):
            raise TokenRefused("page params: bad signature, or of another identity") from None
        values, bound = json.loads(urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
        if bound is not None and bound != view:
            raise TokenRefused("page params: of another view")
        return Page(values, float(expires) if dot else None)

    def _signer(self, identity: str | None) -> Signer:
        # The identity goes into the key, not into the text: it may be a session's secret, and the text is
        # readable.
        salt = Context(_PURPOSE, () if identity is None else (identity,)).encode()
        return Signer(self._keys, salt=salt, key_derivation="hmac", digest_method=hashlib.sha256)


def digest(page: str | None) -> str:
    """Return what a token's context binds of *verified* page params: equal for equal values and view.

    Signature and expiry are left out, so that a page which is rendered again, also after a key rotation, still fits
    its token.
    """
    if page is None:
        return ""
    payload, _, _ = page.partition(".")
    return hashlib.sha256(payload.encode("utf-8", "surrogatepass")).hexdigest()
