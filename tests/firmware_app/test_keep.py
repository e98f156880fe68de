# SPDX-License-Identifier: MIT
"""The band's flash, and the host's file of keys."""

from __future__ import annotations

import asyncio
import json
import random
import stat
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from tenuto.errors import TenutoError
from tenuto.wearables.keys import KeyStore
from tests.firmware_app.rig import room, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def on_a_board(look: Callable[[Any, bytearray], None]) -> None:
    async def scenario() -> None:
        async with room() as it:
            await asyncio.sleep(0)
            nvm = bytearray(b"\xff" * len(it.worn.board.nvm))
            look(it.worn.board.load("keep").Keep, nvm)

    run(scenario())


def test_a_flash_that_was_never_written_is_empty() -> None:
    def look(keep: Any, nvm: bytearray) -> None:
        for held in (nvm, bytearray(len(nvm))):
            for name in ("journal", "keys", "bonds", "plan0", "plan3"):
                assert keep(held).load(name) == b""

    on_a_board(look)


def test_any_order_of_writing_gives_back_what_was_written_last() -> None:
    def look(keep: Any, nvm: bytearray) -> None:
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

    on_a_board(look)


def test_what_does_not_fit_is_refused_and_changes_nothing() -> None:
    def look(keep: Any, nvm: bytearray) -> None:
        assert keep(nvm).save("plan0", b"x" * 3_000)
        assert keep(nvm).save("plan1", b"y" * 3_000)
        before = bytes(nvm)

        assert not keep(nvm).save("plan2", b"z" * 3_000)

        assert bytes(nvm) == before
        assert keep(nvm).save("plan0", b"")
        assert keep(nvm).load("plan0") == b""
        assert keep(nvm).save("plan2", b"z" * 3_000)
        assert keep(nvm).load("plan1") == b"y" * 3_000

    on_a_board(look)


@pytest.mark.parametrize("torn_at", [1024, 1026, 1030, 1031, 2_000])
def test_a_write_that_was_torn_loses_plans_but_makes_up_none(torn_at: int) -> None:
    def look(keep: Any, nvm: bytearray) -> None:
        keep(nvm).save("plan0", b"a" * 1_500)
        keep(nvm).save("plan1", b"b" * 1_500)
        nvm[torn_at] ^= 0x40

        found = [keep(nvm).load(f"plan{n}") for n in range(4)]

        assert set(found) <= {b"", b"a" * 1_500, b"b" * 1_500}
        assert found[0] == b""

    on_a_board(look)


def test_a_board_without_such_a_flash_keeps_nothing_and_says_so() -> None:
    def look(keep: Any, _nvm: bytearray) -> None:
        for none in (None, bytearray()):
            assert not keep(none).save("journal", b"x")
            assert keep(none).load("journal") == b""

    on_a_board(look)


def test_the_digest_is_sha_256() -> None:
    async def scenario() -> None:
        async with room() as it:
            digest = it.worn.board.load("digest").sha256
            assert digest(b"abc") == sha256(b"abc").digest()

    run(scenario())


# --- the host's side


def test_keys_are_kept_for_their_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "data" / "keys.json"
    KeyStore(path).put("left", bytes(range(16)))
    KeyStore(path).put("right", bytes(16))

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert KeyStore(path).get("left") == bytes(range(16))
    assert KeyStore(path).get("middle") is None
    store = KeyStore(path)
    store.forget("left")
    store.forget("middle")
    assert json.loads(path.read_text()) == {"right": "00" * 16}
    assert [p.name for p in path.parent.iterdir()] == ["keys.json"]


def test_a_file_that_others_could_read_is_replaced_by_one_that_they_cannot(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text("{}")
    path.chmod(0o644)

    KeyStore(path).put("left", bytes(16))

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "[]", '{"left": "xyz"}', '{"left": "00"}', '{"left": 5}'])
def test_a_file_that_holds_no_keys_is_told_of_and_not_touched(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text)

    with pytest.raises(TenutoError, match=r"keys\.json"):
        KeyStore(path)

    assert path.read_text() == text


def test_a_key_has_its_size(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        KeyStore(tmp_path / "keys.json").put("left", bytes(15))
    assert not (tmp_path / "keys.json").exists()
