# SPDX-License-Identifier: MIT
"""Who may see the page: codes that are used once, and signed cookies that last.  Pure.

A code comes to a browser by a link that `tenuto web` makes. The browser gets a cookie for it, which
this host has signed, so that a restart of the daemon logs nobody out.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenuto.sessions.admission import Bucket

if TYPE_CHECKING:
    from collections.abc import Callable

CODE_LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""No letters and digits that are taken for each other."""
CODE_LENGTH = 10
"""49 bits; with `WRONG_CODES_PER_S` a guess a second would take millions of years."""
CODE_VALID_S = 600
CODES_MAX = 64
COOKIE_VALID_S = 90 * 24 * 3600
SECRET_BYTES = 32
WRONG_CODES = 10
WRONG_CODES_PER_S = 0.1


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who may see the page.

    Attributes:
        person: Whose heart rate they may see besides those that are published, by the id in the
            configuration; None for somebody who may see all, as at the terminal of this computer.
        key: Stands in each form that they send, so that no other page can send it for them.
    """

    person: str | None
    key: str


class Access:
    """Makes codes, takes them, and knows the cookies that it gave for them.

    Args:
        secret: `SECRET_BYTES` bytes that nobody else knows.
        draw: Returns a random number below its argument, good enough for secrets.

    Attributes:
        cookie_name: Of its own: browsers give a cookie to all ports of a computer.
    """

    def __init__(self, secret: bytes, draw: Callable[[int], int]) -> None:
        self._secret = secret
        self.cookie_name = f"tenuto-{self._digest('name')[:8]}"
        self._draw = draw
        self._codes: dict[str, tuple[str | None, float]] = {}
        self._wrong = Bucket(WRONG_CODES, WRONG_CODES_PER_S)

    def make_code(self, now_s: float, person: str | None = None) -> str:
        """Return a code that is good once, for `CODE_VALID_S`.

        Args:
            now_s: The present, in s since 1970.
            person: See `Visitor`.
        """
        self._codes = {code: kept for code, kept in self._codes.items() if kept[1] > now_s}
        while len(self._codes) >= CODES_MAX:
            del self._codes[next(iter(self._codes))]
        code = "".join(CODE_LETTERS[self._draw(len(CODE_LETTERS))] for _ in range(CODE_LENGTH))
        self._codes[code] = person, now_s + CODE_VALID_S
        return code

    def take_code(self, code: str, now_s: float) -> str | None:
        """Return a cookie for a code, which is used up; None if it is not good.

        After `WRONG_CODES` wrong ones in a row none is looked at for a while.
        """
        known = self._codes.get(code.strip().upper().replace("-", ""))
        if known is None or known[1] <= now_s:
            self._wrong.take(now_s)
            return None
        if not self._wrong.take(now_s):
            return None
        del self._codes[code.strip().upper().replace("-", "")]
        return self._sign(f"{known[0] or ''}.{round(now_s + COOKIE_VALID_S)}.{self._draw(1 << 64)}")

    def visitor(self, cookie: str, now_s: float) -> Visitor | None:
        """Return whose cookie it is, None if it is not of this host or too old."""
        text, _, _ = cookie.rpartition(".")
        if not text or not is_same(cookie, self._sign(text)):
            return None
        person, until_s, _ = text.split(".")
        if int(until_s) <= now_s:
            return None
        return Visitor(person or None, self._digest(f"form {text}")[:32])

    def ingress_visitor(self, user: str) -> Visitor:
        """Return somebody whom Home Assistant has let in, and whose id there is `user`."""
        return Visitor(None, self._digest(f"form of Home Assistant {user}")[:32])

    def _sign(self, text: str) -> str:
        return f"{text}.{self._digest(f'cookie {text}')}"

    def _digest(self, text: str) -> str:
        return hmac.new(self._secret, _bytes(text), hashlib.sha256).hexdigest()


def is_same(told: str, right: str) -> bool:
    """Return whether somebody knows a secret, in a time that says nothing of it."""
    return hmac.compare_digest(_bytes(told), _bytes(right))


def _bytes(text: str) -> bytes:
    """Return the bytes of a text; one of a header may have letters that UTF-8 does not have."""
    return text.encode(errors="surrogatepass")
