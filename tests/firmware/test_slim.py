# SPDX-License-Identifier: MIT
"""What a board is given is smaller than what is written here, and does the same."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tenuto.flashing import make_bundle
from tenuto.flashing.libraries import load_libraries
from tenuto.flashing.slim import slim
from tests.firmware.rig import table
from tests.firmware.test_install import own_files
from tests.firmware.test_whole import BOARDS, begin, lower_back, powered, pulses_of

if TYPE_CHECKING:
    from pathlib import Path

OF_OTHERS = b"""
'''Numbers.'''
ONE, TWO = 1, 2
A, B, C = range(3)
BOTH = ONE | TWO << 2
NAMES = ("a", "b")
_OWN = BOTH * 10 - 3
COUNTED = 0
HALF = 0.5
SET = 7


def own():
    return _OWN
"""
USER = b"""
from __future__ import annotations

import numbers_of
from numbers_of import BOTH, C as SEE, HALF, NAMES, own
from . import beside
from .beside import LIMIT

WAIT_MS: int = 2 * LIMIT
later: int


class Thing:
    '''A thing.'''

    '''Its size.'''
    size: int = LIMIT

    def f(self, x: int = BOTH) -> int:
        '''Not for boards.'''
        LOCAL = x
        return LOCAL + WAIT_MS + SEE + numbers_of.TWO + beside.LIMIT

    def nothing(self):
        '''Nothing.'''


numbers_of.SET = 8
RESULT = (Thing().f(), Thing.size, own(), NAMES, HALF, numbers_of.SET, Thing().nothing())
"""
BESIDE = b"from numbers_of import ONE\nLIMIT = ONE + 4\n"


def run(sources: dict[str, bytes], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    for path, data in sources.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    monkeypatch.syspath_prepend(folder)
    names: Any = __import__("package.user", fromlist=("RESULT",))
    return names.RESULT


def test_constants_stand_where_they_are_used_and_nothing_else_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = {
        "numbers_of.py": OF_OTHERS,
        "package/__init__.py": b"",
        "package/user.py": USER,
        "package/beside.py": BESIDE,
    }
    for name in ("numbers_of", "package", "package.user", "package.beside"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    slimmed = slim(sources)
    for gone in (b"ONE", b"LIMIT", b"WAIT_MS", b"A thing", b"Not for", b": int", b"later", b"->"):
        assert not any(gone in data for data in slimmed.values()), gone
    for kept in (b"NAMES", b"HALF", b"SET"):
        assert kept in slimmed["package/user.py"], kept
    assert run(slimmed, tmp_path, monkeypatch) == (
        9 + 10 + 2 + 2 + 5,
        5,
        87,
        ("a", "b"),
        0.5,
        8,
        None,
    )


NAMES = b"""
_TABLE = {"go": "_go", "_stay": 1}


def _twice(value):
    doubled = value * 2
    return doubled


class _Base:
    _shared = 1

    def __init__(self, start):
        self._start = start
        self.open = 0

    def _go(self, by):
        try:
            reached = self._start + _twice(by)
            return [reached + step + self._shared for step in range(2)]
        except ValueError as error:
            raise TypeError from error


class Heir(_Base):
    def _more(self):
        return self._go(1) + super()._go(2)

    def all(self):
        def inner(added):
            return added + self._start + outer

        outer = 5
        return getattr(Heir, _TABLE["go"])(self, 3), self._more(), inner(1), list(_TABLE)


class Stranger:
    def __init__(self, other):
        self._other = other
        self._seen = other._seen_by_all

    def look(self):
        return self._other.all(), self._seen


class Shown:
    def __init__(self):
        self._seen_by_all = 7
        self._hidden = 8

    def all(self):
        return self._hidden
"""
NAMES_USER = b"""
from named import Heir, Shown, Stranger
RESULT = Heir(10).all(), Stranger(Shown()).look(), Heir(1).open
"""


def test_private_names_are_short_and_mean_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = {"named.py": NAMES, "package/user.py": NAMES_USER, "package/__init__.py": b""}
    for name in ("named", "package", "package.user"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    slimmed = slim(sources)
    for gone in (
        b"_twice",
        b"_start",
        b"_go",
        b"_more",
        b"_hidden",
        b"_shared",
        b"_Base",
        b"reached",
    ):
        assert gone not in slimmed["named.py"], gone
    for kept in (b"_seen_by_all", b"_stay", b"open", b"Heir", b"value", b"by"):
        assert kept in slimmed["named.py"], kept
    wanted = ([17, 18], [13, 14, 15, 16], 16, ["go", "_stay"]), (8, 7), 0
    assert run(slimmed, tmp_path, monkeypatch) == wanted


def test_what_a_maker_may_change_is_as_it_was_written() -> None:
    own = own_files()
    slimmed = slim({path: data for path, data in own.items() if path.endswith(".py")})

    for path in ("code.py", "boot.py", "safemode.py", "boards/feather_nrf52840_sense.py"):
        assert slimmed[path] == own[path]
    assert b"SPDX-License-Identifier: MIT" in slimmed["app.py"]
    assert len(slimmed["tenuto_core/band.py"]) < 0.8 * len(own["tenuto_core/band.py"])


@pytest.mark.slow
@pytest.mark.parametrize("board_id", BOARDS)
async def test_what_is_installed_plays_what_is_written(
    board_id: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    drive = tmp_path_factory.mktemp("CIRCUITPY")
    bundle = make_bundle(own_files(), load_libraries(), board_id=board_id)
    for path, data in bundle.files.items():
        if not path.startswith("lib/"):
            (drive / path).parent.mkdir(parents=True, exist_ok=True)
            (drive / path).write_bytes(data)
    async with table(board_id, firmware=drive, **BOARDS[board_id]) as it:
        await powered(it)
        compiled = lower_back()
        start_ms = begin(it, compiled)
        await asyncio.sleep(compiled.plan.duration_ms / 1000 + 5)
        driven = [(at_ms, on_ms) for at_ms, _, on_ms in it.pulses if at_ms >= start_ms]
        assert driven == [(at_ms, on_ms) for at_ms, _, on_ms in pulses_of(compiled, start_ms)]
        assert not it.board.task_errors
