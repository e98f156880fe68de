# SPDX-License-Identifier: MIT
"""The host's file of keys."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest

from tenuto.errors import LinkError, TenutoError
from tenuto.state.keys import KeyStore
from tenuto.wearables.base import Identity

if TYPE_CHECKING:
    from pathlib import Path

ONE, TWO, THREE = b"1" * 16, b"2" * 16, b"3" * 16
AIR = "C0:00:00:00:00:01"


def band(serial: str | None = "e661", address: str | None = AIR) -> Identity:
    return Identity("band", 7, 8192, serial=serial, address=address)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "keys.json"


def give(store: KeyStore, name: str, who: Identity, key: bytes, *, by_cable: bool = False) -> None:
    keys = store.of(name)
    keys.offer(who, key, by_cable=by_cable)
    keys.settle(who, key)


def test_keys_are_kept_for_their_user_alone(path: Path) -> None:
    give(KeyStore(path), "anna", band(), ONE)

    assert KeyStore(path).of("anna").held(band()) == [ONE]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [one.name for one in path.parent.iterdir()] == ["keys.json"]


def test_a_file_that_others_could_read_is_replaced_by_one_that_they_cannot(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("{}")
    path.chmod(0o644)

    give(KeyStore(path), "anna", band(), ONE)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "5", '{"anna": "xyz"}', '{"anna": "00"}', '{"anna": 5}', "\x00"),
        '{"version": 3, "bands": []}',
        '{"version": 2, "bands": [{}]}',
        '{"version": 2, "bands": [{"serial": "s", "names": 5}]}',
    ],
)
def test_a_file_that_holds_no_keys_is_told_of_and_not_touched(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)

    with pytest.raises(TenutoError, match=r"keys\.json.*take it away"):
        KeyStore(path).of("anna").held(band())
    with pytest.raises(TenutoError, match=r"keys\.json.*take it away"):
        KeyStore(path).of("anna").offer(band(), ONE, by_cable=True)

    assert path.read_text() == text


def test_what_cannot_be_written_changes_nothing(path: Path) -> None:
    store = KeyStore(path)
    path.parent.write_text("a file where the folder should be")

    with pytest.raises(LinkError, match=r"keys\.json"):
        store.of("anna").offer(band(), ONE, by_cable=False)

    path.parent.unlink()
    assert store.of("anna").held(band()) == []


def test_a_key_has_its_size(path: Path) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        KeyStore(path).of("anna").offer(band(), ONE[:-1], by_cable=False)
    assert not path.exists()


def test_a_band_is_known_by_its_number_whatever_it_is_called(path: Path) -> None:
    store = KeyStore(path)
    store.of().offer(band(), ONE, by_cable=True)
    store.of().settle(band(), ONE)
    give(store, "anna", band("e662", "C0:00:00:00:00:02"), TWO)

    for names in ((), ("anna",), (AIR,), ("bob", "C0:00:00:00:00:02")):
        assert store.of(*names).held(band()) == [ONE]
        assert store.of(*names).came_by_cable(band())
        assert store.of(*names).held(band("e662")) == [TWO]
        assert not store.of(*names).came_by_cable(band("e662"))
    assert store.of("anna").held(band("e663")) == [], "a band that is not known"


def test_a_key_that_was_offered_is_kept_beside_the_one_before(path: Path) -> None:
    store = KeyStore(path)
    give(store, "anna", band(), ONE)
    keys = store.of("anna")

    keys.offer(band(), TWO, by_cable=True)
    assert KeyStore(path).of("anna").held(band()) == [TWO, ONE]
    assert not keys.came_by_cable(band()), "nobody knows whether the band has it"
    keys.settle(band(), ONE)
    assert keys.held(band()) == [ONE]
    assert not keys.came_by_cable(band())

    keys.offer(band(), TWO, by_cable=True)
    keys.withdraw(band())
    assert keys.held(band()) == [ONE]

    keys.offer(band(), THREE, by_cable=True)
    keys.settle(band(), THREE)
    assert KeyStore(path).of("anna").held(band()) == [THREE]
    assert keys.came_by_cable(band())
    assert ONE.hex() not in path.read_text()


def test_two_programs_with_one_file_lose_none_of_each_others_keys(path: Path) -> None:
    one, other = KeyStore(path), KeyStore(path)
    give(one, "anna", band("e661", None), ONE)
    give(other, "bob", band("e662", None), TWO)

    for store in (one, other, KeyStore(path)):
        assert store.of("anna").held(band("e661")) == [ONE]
        assert store.of("bob").held(band("e662")) == [TWO]


def test_keys_that_the_first_release_kept_by_name_go_on(path: Path) -> None:
    path.parent.mkdir()
    path.write_text(json.dumps({"anna": ONE.hex(), "bob": TWO.hex()}))
    store = KeyStore(path)

    assert store.of("anna", AIR).held(band(None, None)) == [ONE], "a band of then"
    assert store.of("anna", AIR).held(band()) == [ONE], "one of today"
    store.of("anna", AIR).settle(band(), ONE)
    assert store.of("carl").held(band()) == [ONE], "now it is known by its number"
    assert store.of("anna").held(band("e662")) == [], "and no other is taken for it"
    assert store.of("bob").held(band(None, None)) == [TWO]


def test_a_name_that_goes_to_another_band_takes_no_key_along(path: Path) -> None:
    store = KeyStore(path)
    give(store, "anna", band("e661", "C0:00:00:00:00:01"), ONE)
    give(store, "anna", band("e662", "C0:00:00:00:00:02"), TWO)

    assert store.of("anna").held(band("e661")) == [ONE]
    assert store.forget("anna")
    assert store.of("anna").held(band("e662")) == []
    assert store.of("anna").held(band("e661")) == [ONE]


@pytest.mark.parametrize("name", ["anna", AIR, AIR.lower()])
def test_a_band_is_forgotten_by_its_name_or_its_address(path: Path, name: str) -> None:
    store = KeyStore(path)
    give(store, "anna", band(), ONE)
    give(store, "bob", band("e662", "C0:00:00:00:00:02"), TWO)

    assert store.forget(name)
    assert not store.forget(name)
    assert ONE.hex() not in path.read_text()
    assert KeyStore(path).of().held(band("e662")) == [TWO]


def test_what_has_not_changed_is_not_written_again(path: Path) -> None:
    store = KeyStore(path)
    give(store, "anna", band(), ONE)
    before = path.stat().st_ino

    for _ in range(3):
        store.of("anna").settle(band(), ONE)

    assert path.stat().st_ino == before


def test_no_key_is_told_by_what_is_shown_for_debugging(path: Path) -> None:
    store = KeyStore(path)
    give(store, "anna", band(), ONE)

    shown = repr(store.find("e661", frozenset())) + repr(store) + repr(store.of("anna"))

    assert "1111" not in shown
    assert ONE.hex() not in shown
