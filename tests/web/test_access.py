# SPDX-License-Identifier: MIT
"""Codes are good once, and cookies only from this host and for a while."""

from __future__ import annotations

import random

from tenuto.web.access import (
    CODE_VALID_S,
    CODES_MAX,
    COOKIE_VALID_S,
    WRONG_CODES,
    Access,
)

NOW_S = 1_800_000_000.0


def access(secret: bytes = b"s" * 32) -> Access:
    return Access(secret, random.Random(1).randrange)


def test_a_code_lets_in_once() -> None:
    doors = access()
    code = doors.make_code(NOW_S)

    cookie = doors.take_code(f" {code.lower()} ", NOW_S + 1)

    assert cookie is not None
    assert doors.visitor(cookie, NOW_S + 2) is not None
    assert doors.take_code(code, NOW_S + 3) is None


def test_a_code_and_a_cookie_end() -> None:
    doors = access()
    late = doors.make_code(NOW_S)
    cookie = doors.take_code(doors.make_code(NOW_S), NOW_S)
    assert doors.take_code(late, NOW_S + CODE_VALID_S) is None
    assert cookie is not None
    assert doors.visitor(cookie, NOW_S + COOKIE_VALID_S - 1) is not None
    assert doors.visitor(cookie, NOW_S + COOKIE_VALID_S) is None


def test_a_cookie_outlives_a_restart_and_not_another_secret() -> None:
    doors = access()
    cookie = doors.take_code(doors.make_code(NOW_S, "anna"), NOW_S)
    assert cookie is not None

    again = access().visitor(cookie, NOW_S)

    assert again is not None
    assert again.person == "anna"
    assert access(b"t" * 32).visitor(cookie, NOW_S) is None


def test_a_cookie_cannot_be_made_into_that_of_somebody_else() -> None:
    doors = access()
    cookie = doors.take_code(doors.make_code(NOW_S, "anna"), NOW_S)
    assert cookie is not None

    for forged in (
        cookie.replace("anna", "ben"),
        cookie.replace("anna", ""),
        cookie[:-1],
        cookie + "0",
        "",
        ".",
        "a.b.c.d.e",
        "é",
    ):
        assert doors.visitor(forged, NOW_S) is None


def test_guesses_are_limited() -> None:
    doors = access()
    code = doors.make_code(NOW_S)
    for _ in range(WRONG_CODES):
        assert doors.take_code("AAAAAAAAAA", NOW_S) is None

    assert doors.take_code(code, NOW_S) is None, "none is looked at for a while"
    assert doors.take_code(code, NOW_S + 60) is not None


def test_old_codes_make_room() -> None:
    doors = access()
    codes = [doors.make_code(NOW_S) for _ in range(CODES_MAX + 1)]

    assert doors.take_code(codes[0], NOW_S) is None
    assert doors.take_code(codes[-1], NOW_S) is not None
