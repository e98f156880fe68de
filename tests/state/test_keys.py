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


def give(store: KeyStore, *names: str, who: Identity, key: bytes, by_cable: bool = False) -> None:
    keys = store.of(*names)
    keys.offer(who, key, by_cable=by_cable)
    keys.settle(who, key, over_air=not by_cable)


def test_a_shared_key_is_handed_out_and_tried_after_those_of_the_band(path: Path) -> None:
    shared = KeyStore(path, TWO)
    assert shared.of("anna").held(band()) == [TWO]
    assert shared.of("anna").fresh() == TWO
    assert not shared.of("anna").is_known(band()), "a band that this host has never met"

    give(KeyStore(path), "anna", who=band(), key=ONE)
    assert shared.of("anna").held(band()) == [ONE, TWO]
    give(KeyStore(path), "anna", who=band(), key=TWO)
    assert shared.of("anna").held(band()) == [TWO]
    assert KeyStore(path).of("anna").fresh() != KeyStore(path).of("anna").fresh()


def test_keys_are_kept_for_their_user_alone(path: Path) -> None:
    give(KeyStore(path), "anna", who=band(), key=ONE)

    assert KeyStore(path).of("anna").held(band()) == [ONE]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [one.name for one in path.parent.iterdir()] == ["keys.json"]


def test_a_file_that_others_could_read_is_replaced_by_one_that_they_cannot(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("{}")
    path.chmod(0o644)

    give(KeyStore(path), "anna", who=band(), key=ONE)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "5", '{"anna": "xyz"}', '{"anna": "00"}', '{"anna": 5}', "\x00", "[" * 100_000),
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
    store.of().settle(band(), ONE, over_air=False)
    give(store, "anna", who=band("e662", "C0:00:00:00:00:02"), key=TWO)

    for names in ((), ("anna",), (AIR,), ("bob", "C0:00:00:00:00:02")):
        assert store.of(*names).held(band()) == [ONE]
        assert store.of(*names).held(band("e662")) == [TWO]
    assert store.of("anna").held(band("e663")) == [], "a band that is not known"


def test_a_device_is_known_by_its_number_and_by_each_of_its_names(path: Path) -> None:
    """Whoever is heard at the address of a band may tell any number, or none."""
    store = KeyStore(path)
    assert not store.of("anna", AIR).is_known(band())
    give(store, "anna", AIR, who=band(), key=ONE)

    for names in ((), ("anna",), (AIR,), ("bob", AIR)):
        assert store.of(*names).is_known(band())
    for told in (None, "e662", ""):
        assert store.of("anna").is_known(band(told, None))
        assert store.of("bob", AIR.lower()).is_known(band(told, None))
        assert not store.of("bob").is_known(band(told, None))
    assert store.forget("anna")
    assert not store.of("anna", AIR).is_known(band())


def test_a_key_that_no_band_has_proven_makes_none_known(path: Path) -> None:
    keys = KeyStore(path).of("anna")
    keys.offer(band(), ONE, by_cable=False)

    assert not keys.is_known(band())
    assert not keys.is_bonded


def test_a_bond_is_told_from_a_key_that_went_by_cable_and_no_more(path: Path) -> None:
    store = KeyStore(path)
    give(store, "anna", who=band(), key=ONE)
    give(store, "bob", who=band("e662", "C0:00:00:00:00:02"), key=TWO, by_cable=True)
    assert store.of("anna").is_bonded
    assert not store.of("bob").is_bonded

    store.of("bob").settle(band("e662"), TWO, over_air=True)
    assert store.of("bob").is_bonded
    store.of("bob").settle(band("e662"), TWO, over_air=False)
    assert KeyStore(path).of("bob").is_bonded, "a cable takes no bond away"


def test_keys_that_were_kept_before_bonds_were_noted_go_on(path: Path) -> None:
    store = KeyStore(path)
    give(store, "anna", who=band(), key=ONE)
    give(store, "bob", who=band("e662", "C0:00:00:00:00:02"), key=TWO, by_cable=True)
    text = path.read_text()
    assert '"bonded"' in text
    held = json.loads(text)
    for one in held["bands"]:
        del one["bonded"]
    path.write_text(json.dumps(held))

    assert store.of("anna").held(band()) == [ONE]
    assert store.of("anna").is_bonded, "a key over the air needs a bond"
    assert not store.of("bob").is_bonded


def test_a_key_that_was_offered_is_kept_beside_the_one_before(path: Path) -> None:
    store = KeyStore(path)
    give(store, "anna", who=band(), key=ONE)
    keys = store.of("anna")

    keys.offer(band(), TWO, by_cable=True)
    assert KeyStore(path).of("anna").held(band()) == [TWO, ONE]
    keys.settle(band(), ONE, over_air=False)
    assert keys.held(band()) == [ONE]

    keys.offer(band(), TWO, by_cable=True)
    keys.withdraw(band())
    assert keys.held(band()) == [ONE]

    keys.offer(band(), THREE, by_cable=True)
    keys.settle(band(), THREE, over_air=False)
    assert KeyStore(path).of("anna").held(band()) == [THREE]
    assert ONE.hex() not in path.read_text()


def test_two_programs_with_one_file_lose_none_of_each_others_keys(path: Path) -> None:
    one, other = KeyStore(path), KeyStore(path)
    give(one, "anna", who=band("e661", None), key=ONE)
    give(other, "bob", who=band("e662", None), key=TWO)

    for store in (one, other, KeyStore(path)):
        assert store.of("anna").held(band("e661")) == [ONE]
        assert store.of("bob").held(band("e662")) == [TWO]


def test_keys_that_the_first_release_kept_by_name_go_on(path: Path) -> None:
    path.parent.mkdir()
    path.write_text(json.dumps({"anna": ONE.hex(), "bob": TWO.hex()}))
    store = KeyStore(path)

    assert store.of("anna", AIR).held(band(None, None)) == [ONE], "a band of then"
    assert store.of("anna", AIR).held(band()) == [ONE], "one of today"
    store.of("anna", AIR).settle(band(), ONE, over_air=False)
    assert store.of("carl").held(band()) == [ONE], "now it is known by its number"
    assert store.of("anna").held(band("e662")) == [], "and no other is taken for it"
    assert store.of("bob").held(band(None, None)) == [TWO]


def test_a_name_that_goes_to_another_band_takes_no_key_along(path: Path) -> None:
    store = KeyStore(path)
    give(store, "anna", who=band("e661", "C0:00:00:00:00:01"), key=ONE)
    give(store, "anna", who=band("e662", "C0:00:00:00:00:02"), key=TWO)

    assert store.of("anna").held(band("e661")) == [ONE]
    assert store.forget("anna")
    assert store.of("anna").held(band("e662")) == []
    assert store.of("anna").held(band("e661")) == [ONE]


@pytest.mark.parametrize("name", ["anna", AIR, AIR.lower()])
def test_a_band_is_forgotten_by_its_name_or_its_address(path: Path, name: str) -> None:
    store = KeyStore(path)
    give(store, "anna", who=band(), key=ONE)
    give(store, "bob", who=band("e662", "C0:00:00:00:00:02"), key=TWO)

    assert store.forget(name)
    assert not store.forget(name)
    assert ONE.hex() not in path.read_text()
    assert KeyStore(path).of().held(band("e662")) == [TWO]


def test_what_has_not_changed_is_not_written_again(path: Path) -> None:
    store = KeyStore(path)
    give(store, "anna", who=band(), key=ONE)
    before = path.stat().st_ino

    for _ in range(3):
        store.of("anna").settle(band(), ONE, over_air=False)

    assert path.stat().st_ino == before


def test_no_key_is_told_by_what_is_shown_for_debugging(path: Path) -> None:
    store = KeyStore(path)
    give(store, "anna", who=band(), key=ONE)

    shown = repr(store.find("e661", frozenset())) + repr(store) + repr(store.of("anna"))

    assert "1111" not in shown
    assert ONE.hex() not in shown
