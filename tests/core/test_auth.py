# SPDX-License-Identifier: MIT
"""Keys and proofs."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from tenuto_core import auth, vocab
from tenuto_core.auth import KEYS_MAX, TRIES_MAX, Challenge, Keyring
from tenuto_core.sha256 import sha256 as own_sha256
from tests.core.rig import Memory

if TYPE_CHECKING:
    from tenuto_core.storage import Storage


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


class Nonces:
    def __init__(self) -> None:
        self.given = 0

    def __call__(self, size: int) -> bytes:
        self.given += 1
        return self.given.to_bytes(size, "little")


def ring(storage: Storage | None = None) -> Keyring:
    return Keyring(sha256, Nonces(), storage or Memory())


def key(number: int) -> bytes:
    return bytes([number] * 16)


def id_of(number: int) -> bytes:
    return auth.key_id(sha256, key(number))


@given(st.binary(max_size=64), st.binary(max_size=200))
def test_the_hmac_is_that_of_the_standard_library(secret: bytes, message: bytes) -> None:
    assert auth.hmac_sha256(sha256, secret, message) == hmac.digest(secret, message, "sha256")


@given(st.binary(max_size=300))
def test_the_digest_for_boards_without_one(data: bytes) -> None:
    assert own_sha256(data) == sha256(data)


@pytest.mark.parametrize("size", [0, 1, 54, 55, 56, 57, 63, 64, 65, 119, 120, 128, 1_000])
def test_the_digest_at_the_ends_of_its_blocks(size: int) -> None:
    assert own_sha256(b"x" * size) == sha256(b"x" * size)


def test_a_known_vector() -> None:
    """RFC 4231, test case 2."""
    found = auth.hmac_sha256(sha256, b"Jefe", b"what do ya want for nothing?")

    assert found.hex() == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


def challenged() -> tuple[Challenge, bytes]:
    """Begin the proof of the only key; gives the band's random bytes too."""
    keyring = ring()
    keyring.add(key(1), by_cable=False)
    challenge = Challenge(keyring)
    _, nonce = challenge.begin(id_of(1), bytes(16))
    return challenge, nonce


def proven(keyring: Keyring, number: int) -> bool:
    challenge = Challenge(keyring)
    _, nonce = challenge.begin(id_of(number), b"h" * 16)
    proof = auth.host_proof(sha256, key(number), b"h" * 16, nonce)
    status, own = challenge.prove(proof, is_quiet=True)
    if challenge.proven:
        assert status == vocab.OK
        assert own == auth.band_proof(sha256, key(number), b"h" * 16, nonce)
        assert own != proof
    else:
        assert (status, own) == (vocab.NOT_PROVEN, bytes(32))
    return challenge.proven is not None


def test_who_has_a_key_is_let_in_and_nobody_else() -> None:
    keyring = ring()
    assert keyring.add(key(1), by_cable=False) == (vocab.OK, id_of(1))

    assert proven(keyring, 1)
    assert not proven(keyring, 2)


def test_an_unknown_key_is_answered_like_a_known_one() -> None:
    keyring = ring()
    keyring.add(key(1), by_cable=False)

    for number in (1, 2):
        status, nonce = Challenge(keyring).begin(id_of(number), bytes(16))
        assert (status, len(nonce)) == (vocab.OK, 16)


@pytest.mark.parametrize("bit", [0, 7, 100, 255])
def test_a_proof_that_is_wrong_in_one_bit_is_wrong(bit: int) -> None:
    challenge, nonce = challenged()
    proof = bytearray(auth.host_proof(sha256, key(1), bytes(16), nonce))
    proof[bit // 8] ^= 1 << bit % 8

    assert challenge.prove(bytes(proof), is_quiet=True)[0] == vocab.NOT_PROVEN
    assert not challenge.proven


def test_random_bytes_are_good_for_one_try() -> None:
    challenge, nonce = challenged()
    proof = auth.host_proof(sha256, key(1), bytes(16), nonce)

    assert challenge.prove(bytes(32), is_quiet=True)[0] == vocab.NOT_PROVEN
    assert challenge.prove(proof, is_quiet=True)[0] == vocab.NOT_PROVEN
    assert not challenge.proven


def test_the_proof_of_the_band_is_none_of_a_host() -> None:
    """Or somebody in between could give it back."""
    challenge, nonce = challenged()
    proof = auth.band_proof(sha256, key(1), bytes(16), nonce)

    assert challenge.prove(proof, is_quiet=True)[0] == vocab.NOT_PROVEN


def test_a_few_wrong_proofs_end_the_tries_of_a_connection() -> None:
    keyring = ring()
    keyring.add(key(1), by_cable=False)
    challenge = Challenge(keyring)
    for _ in range(TRIES_MAX):
        assert challenge.begin(id_of(1), bytes(16))[0] == vocab.OK
        challenge.prove(bytes(32), is_quiet=True)

    assert challenge.begin(id_of(1), bytes(16))[0] == vocab.NOT_PROVEN
    assert proven(keyring, 1), "another connection begins anew"


def test_a_proof_waits_for_a_quiet_moment_and_is_not_lost() -> None:
    challenge, nonce = challenged()
    proof = auth.host_proof(sha256, key(1), bytes(16), nonce)

    assert challenge.prove(proof, is_quiet=False)[0] == vocab.BUSY
    assert challenge.prove(proof, is_quiet=True)[0] == vocab.OK


def test_keys_are_kept_and_the_oldest_gives_way() -> None:
    storage = Memory()
    keyring = ring(storage)
    for number in range(KEYS_MAX + 2):
        keyring.add(key(number), by_cable=False)
    keyring.add(key(3), by_cable=False)

    again = ring(storage)
    assert again.count == KEYS_MAX
    assert [proven(again, n) for n in range(KEYS_MAX + 2)] == [False, False, *[True] * KEYS_MAX]


def test_a_key_by_cable_ends_the_keys_of_the_air() -> None:
    storage = Memory()
    keyring = ring(storage)
    keyring.add(key(1), by_cable=False)
    keyring.add(key(2), by_cable=True)

    for same in (keyring, ring(storage)):
        assert same.only_by_cable
        assert not proven(same, 1)
        assert proven(same, 2)
        assert same.add(key(3), by_cable=False)[0] == vocab.NOT_OPEN
        assert not proven(same, 3)
    assert keyring.add(key(4), by_cable=True)[0] == vocab.OK
    assert proven(keyring, 2)


def test_a_key_in_the_place_of_another_costs_nobody_else_theirs() -> None:
    keyring = ring()
    keyring.add(key(1), by_cable=True)
    mine = key(2)
    keyring.add(mine, by_cable=True)
    for number in range(3, 3 + 2 * KEYS_MAX):
        keyring.add(key(number), by_cable=True, instead=mine)
        mine = key(number)

    assert keyring.count == 2
    assert proven(keyring, 1)
    assert proven(keyring, 2 + 2 * KEYS_MAX)


@pytest.mark.parametrize(
    "held", [b"", b"\x02" + bytes(17), b"\x01" + bytes(16), bytes(18), b"\x01"]
)
def test_what_is_no_ring_of_keys_is_none(held: bytes) -> None:
    storage = Memory()
    storage.held["keys"] = held

    assert ring(storage).count == 0


def test_a_wrong_proof_costs_the_same_work_whether_the_key_is_known_or_not() -> None:
    """Else the time of the answer tells which keys there are."""
    hashed: list[int] = []

    def counting(data: bytes) -> bytes:
        hashed.append(len(data))
        return sha256(data)

    keyring = Keyring(counting, Nonces(), Memory())
    _, known = keyring.add(key(1), by_cable=True)
    work = []
    for key_id in (known, bytes(len(known))):
        challenge = Challenge(keyring)
        challenge.begin(key_id, bytes(auth.NONCE_BYTES))
        hashed.clear()
        status, _ = challenge.prove(bytes(auth.PROOF_BYTES), is_quiet=True)
        assert status == vocab.NOT_PROVEN
        work.append(list(hashed))

    assert work[0] == work[1] != []
