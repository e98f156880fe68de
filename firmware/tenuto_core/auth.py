# SPDX-License-Identifier: MIT
"""Who may control a wearable: hosts that know one of its keys, and prove it.

A key is 16 random bytes that a host makes and sends once: by cable at any time, over the air
only in the minute after the wearer's gesture, and not once there is a key that came by cable,
because a pairing over the air can be overheard.  A key itself is never sent again.  When a host
proves one key and sends another, the new one replaces the old.

On each connection the host sends the key's id and 16 random bytes, gets 16 random bytes, and sends
HMAC-SHA256 (RFC 2104) of both under the key; it gets such a proof in return.  The random bytes of
both sides make an old proof worthless.  The frames after that carry no proof of their own.

`hmac_sha256` is built from any SHA-256, because boards have different ones.
"""

from .storage import Storage
from .vocab import BUSY, NOT_OPEN, NOT_PROVEN, OK

KEY_BYTES = 16
NONCE_BYTES = 16
PROOF_BYTES = 32
ID_BYTES = 8
KEYS_MAX = 4
TRIES_MAX = 3
"""Wrong proofs on one connection, after which it gets no further try."""

_HOST = b"tenuto host"
_BAND = b"tenuto band"
_ID = b"tenuto key id"
_BLOCK = 64
_VERSION = 1
_AIR, _CABLE = 0, 1


def hmac_sha256(sha256, key: bytes, message: bytes) -> bytes:  # type: ignore[no-untyped-def]
    """HMAC-SHA256 of a message under a key of at most 64 bytes.

    Args:
        sha256: A function from bytes to their SHA-256 digest.
    """
    padded = key + bytes(_BLOCK - len(key))
    inner = sha256(bytes(byte ^ 0x36 for byte in padded) + message)
    return bytes(sha256(bytes(byte ^ 0x5C for byte in padded) + inner))


def key_id(sha256, key: bytes) -> bytes:  # type: ignore[no-untyped-def]
    """The 8 bytes by which host and wearable name a key without revealing it."""
    return hmac_sha256(sha256, key, _ID)[:ID_BYTES]


def host_proof(sha256, key: bytes, host_nonce: bytes, band_nonce: bytes) -> bytes:  # type: ignore[no-untyped-def]
    """What a host sends to show that it has the key."""
    return hmac_sha256(sha256, key, _HOST + host_nonce + band_nonce)


def band_proof(sha256, key: bytes, host_nonce: bytes, band_nonce: bytes) -> bytes:  # type: ignore[no-untyped-def]
    """What a wearable sends in return."""
    return hmac_sha256(sha256, key, _BAND + host_nonce + band_nonce)


class Keyring:
    """The keys of a wearable, at most `KEYS_MAX`; a new one replaces the oldest.

    Args:
        sha256: See `hmac_sha256`.
        random: Returns as many unpredictable bytes as asked for.
    """

    def __init__(self, sha256, random, storage: Storage) -> None:  # type: ignore[no-untyped-def]
        self._sha256 = sha256
        self._random = random
        self._storage = storage
        self._keys: list[tuple[int, bytes, bytes]] = []
        data = storage.load("keys")
        if data[:1] == bytes((_VERSION,)) and len(data) % (1 + KEY_BYTES) == 1:
            for at in range(1, len(data), 1 + KEY_BYTES):
                self._put(data[at], bytes(data[at + 1 : at + 1 + KEY_BYTES]))

    def _put(self, kind: int, key: bytes) -> bytes:
        own_id = key_id(self._sha256, key)
        if kind == _CABLE:
            self._keys = [known for known in self._keys if known[0] == _CABLE]
        self._keys = [known for known in self._keys if known[1] != own_id]
        self._keys = (self._keys + [(kind, own_id, key)])[-KEYS_MAX:]
        return own_id

    @property
    def count(self) -> int:
        """How many keys there are."""
        return len(self._keys)

    @property
    def only_by_cable(self) -> bool:
        """Whether new keys are taken by cable only, because one came that way."""
        return any(known[0] == _CABLE for known in self._keys)

    def id_of(self, key: bytes) -> bytes | None:
        """Return the id of a key that is in the ring, or None."""
        for _, own_id, known in self._keys:
            if known == key:
                return own_id
        return None

    def add(self, key: bytes, by_cable: bool, instead: bytes | None = None) -> tuple[int, bytes]:
        """Add a key, and return a status and the key's id.

        A key by cable removes all keys that came over the air.

        Args:
            instead: A key that is removed as well, or None.
        """
        if self.only_by_cable and not by_cable:
            return NOT_OPEN, bytes(ID_BYTES)
        self._keys = [known for known in self._keys if known[2] != instead]
        own_id = self._put(_CABLE if by_cable else _AIR, key)
        self._save()
        return OK, own_id

    def keep_only(self, key: bytes | None) -> None:
        """Remove all keys but one, or all of them for None."""
        self._keys = [known for known in self._keys if known[2] == key]
        self._save()

    def _save(self) -> None:
        data = bytes((_VERSION,))
        for kind, _, known in self._keys:
            data += bytes((kind,)) + known
        self._storage.save("keys", data)

    def find(self, wanted_id: bytes) -> bytes | None:
        """Return the key with this id, or None."""
        for _, own_id, key in self._keys:
            if own_id == wanted_id:
                return key
        return None

    def nonce(self) -> bytes:
        """Return fresh random bytes."""
        return bytes(self._random(NONCE_BYTES))

    def proofs(self, key: bytes, host_nonce: bytes, band_nonce: bytes) -> tuple[bytes, bytes]:
        """Return the host's proof and the wearable's."""
        return (
            host_proof(self._sha256, key, host_nonce, band_nonce),
            band_proof(self._sha256, key, host_nonce, band_nonce),
        )


class Challenge:
    """The challenge on one connection.

    Attributes:
        proven: The key that the host has proved to have, or None.
    """

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._key: bytes | None = None
        self._host_nonce = b""
        self._band_nonce = b""
        self._wrong = 0
        self.proven: bytes | None = None

    def begin(self, wanted_id: bytes, host_nonce: bytes) -> tuple[int, bytes]:
        """Begin for the key that the host names; return a status and the wearable's random bytes.

        An unknown key is answered like a known one, so that nobody learns which keys exist.
        """
        if self._wrong >= TRIES_MAX:
            return NOT_PROVEN, bytes(NONCE_BYTES)
        self._key = self._keyring.find(wanted_id)
        self._host_nonce = host_nonce
        self._band_nonce = self._keyring.nonce()
        return OK, self._band_nonce

    def prove(self, proof: bytes, is_quiet: bool) -> tuple[int, bytes]:
        """Check the host's proof, and return a status and the wearable's own.

        Args:
            is_quiet: Whether there is time to compute; if not, the host must try again.
        """
        if self._band_nonce and not is_quiet:
            return BUSY, bytes(PROOF_BYTES)
        key, band_nonce = self._key, self._band_nonce
        self._key, self._band_nonce = None, b""  # good for one try
        if band_nonce:
            # An unknown key costs the same work, so that the time of the answer reveals nothing.
            keys = self._keyring
            wanted, own = keys.proofs(key or bytes(KEY_BYTES), self._host_nonce, band_nonce)
            differences = 1 if key is None else 0
            for index in range(PROOF_BYTES):  # all of them, for the same reason
                differences |= wanted[index] ^ proof[index]
            if not differences:
                self.proven = key
                return OK, own
        self._wrong += 1
        return NOT_PROVEN, bytes(PROOF_BYTES)
