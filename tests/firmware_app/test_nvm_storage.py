# SPDX-License-Identifier: MIT
"""The band's flash."""

from __future__ import annotations

import asyncio
import random
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from tests.firmware_app.rig import room

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tenuto.simulator import SimulatedBoard


@pytest.fixture
async def board() -> AsyncIterator[SimulatedBoard]:
    async with room() as it:
        await asyncio.sleep(0)
        yield it.worn.board


@pytest.fixture
def keep(board: SimulatedBoard) -> Any:
    """The firmware's class, on the board's interpreter."""
    return board.load("nvm_storage").NvmStorage


@pytest.fixture
def nvm(board: SimulatedBoard) -> bytearray:
    return bytearray(b"\xff" * len(board.nvm))


async def test_a_flash_that_was_never_written_is_empty(keep: Any, nvm: bytearray) -> None:
    for held in (nvm, bytearray(len(nvm))):
        for name in ("journal", "keys", "bonds", "plan0", "plan3"):
            assert keep(held).load(name) == b""


async def test_any_order_of_writing_gives_back_what_was_written_last(
    keep: Any, nvm: bytearray
) -> None:
    rng = random.Random(5)
    held: dict[str, bytes] = {}
    largest = {"journal": 32, "keys": 69, "bonds": 4} | {f"plan{n}": 2_000 for n in range(4)}
    for _ in range(200):
        name = rng.choice(list(largest))
        data = rng.randbytes(rng.randint(1, largest[name]))
        cut = rng.randint(0, len(data))
        if keep(nvm).save(name, bytearray(data[cut:]), data[:cut]):
            held[name] = data
        for known, content in held.items():
            assert keep(nvm).load(known) == content
            assert keep(nvm).load(known, 3, 9) == content[3:9]
            assert keep(nvm).load(known, 12) == content[12:]


async def test_what_does_not_fit_is_refused_and_changes_nothing(keep: Any, nvm: bytearray) -> None:
    assert keep(nvm).save("plan0", b"x" * 3_000)
    assert keep(nvm).save("plan1", b"y" * 3_000)
    before = bytes(nvm)

    assert not keep(nvm).save("plan2", b"z" * 3_000)

    assert bytes(nvm) == before
    assert keep(nvm).save("plan0", b"")
    assert keep(nvm).load("plan0") == b""
    assert keep(nvm).save("plan2", b"z" * 3_000)
    assert keep(nvm).load("plan1") == b"y" * 3_000


@pytest.mark.parametrize("torn_at", [1024, 1026, 1030, 1031, 2_000])
async def test_a_write_that_was_torn_loses_plans_but_makes_up_none(
    keep: Any, nvm: bytearray, torn_at: int
) -> None:
    keep(nvm).save("plan0", b"a" * 1_500)
    keep(nvm).save("plan1", b"b" * 1_500)
    nvm[torn_at] ^= 0x40

    found = [keep(nvm).load(f"plan{n}") for n in range(4)]

    assert set(found) <= {b"", b"a" * 1_500, b"b" * 1_500}
    assert found[0] == b""


class PowerCutError(Exception):
    """The battery is out, or there was none and the cable is."""


class Flash(bytearray):
    """Pages of 4 KiB, each erased and written anew by what touches it, as the nRF52840 has them.

    cut_at: how many erasures and writings of a page it comes to before the power goes; what is
    under way then is done by half.
    """

    cut_at = 1 << 30

    def __setitem__(self, at: Any, data: Any) -> None:
        start, end, _ = at.indices(len(self))
        for page in range(start // 4096 * 4096, end, 4096):
            wanted = bytearray(self[page : page + 4096])
            low, high = max(start, page), min(end, page + 4096)
            wanted[low - page : high - page] = data[low - start : high - start]
            self._do(page, b"\xff" * 4096)
            self._do(page, bytes(wanted))

    def _do(self, page: int, wanted: bytes) -> None:
        is_cut = self.cut_at == 0
        self.cut_at -= 1
        size = len(wanted) // 2 if is_cut else len(wanted)
        super().__setitem__(slice(page, page + size), wanted[:size])
        if is_cut:
            raise PowerCutError


async def test_a_new_plan_wears_no_page_that_it_does_not_touch(keep: Any, nvm: bytearray) -> None:
    flash = Flash(nvm)
    keep(flash).save("plan0", b"a" * 2_000)
    keep(flash).save("plan1", b"b" * 2_000)
    before = flash.cut_at
    keep(flash).save("plan2", b"c" * 1_500)
    assert before - flash.cut_at == 2, "an erasure and a writing of one page"
    for name, content in (("plan0", b"a" * 2_000), ("plan1", b"b" * 2_000)):
        assert keep(flash).load(name) == content


async def test_where_memory_has_no_room_in_one_piece_nothing_changes(
    keep: Any,
    nvm: bytearray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert keep(nvm).save("plan0", b"a" * 1_500)
    before = bytes(nvm)

    def full(_size: int) -> bytearray:
        raise MemoryError

    monkeypatch.setitem(keep.save.__globals__, "bytearray", full)
    assert not keep(nvm).save("plan1", b"b" * 1_500)
    assert bytes(nvm) == before


@pytest.mark.parametrize("cut_at", range(5))
async def test_a_loss_of_power_leaves_the_old_keys_or_the_new_ones(
    keep: Any, nvm: bytearray, cut_at: int
) -> None:
    """A band without a battery has its power from the cable that brings the key."""

    flash = Flash(nvm)
    keep(flash).save("keys", b"old " * 9)
    keep(flash).save("plan0", b"p" * 3_500)
    flash.cut_at = cut_at
    is_cut = False
    try:
        keep(flash).save("keys", b"new " * 9)
    except PowerCutError:
        is_cut = True
    assert is_cut == (cut_at < 4)
    flash.cut_at = 1 << 30

    found = keep(flash).load("keys")

    assert found in (b"old " * 9, b"new " * 9)
    assert is_cut or found == b"new " * 9
    # And the next loss of power, which may hit either page, finds them in both again.
    for page in (0, 4096):
        again = Flash(flash)
        again[page : page + 4096] = b"\xff" * 4096
        assert keep(again).load("keys") == found


async def test_a_board_without_such_a_flash_keeps_nothing_and_says_so(keep: Any) -> None:
    for none in (None, bytearray()):
        assert not keep(none).save("journal", b"x")
        assert keep(none).load("journal") == b""


async def test_the_digest_is_sha_256() -> None:
    async with room() as it:
        digest = it.worn.board.load("digest").sha256
        assert digest(b"abc") == sha256(b"abc").digest()
