# SPDX-License-Identifier: MIT
"""The interface to storage that survives a reset."""


class Storage:
    """A storage that stores nothing; real ones derive from this.

    Names: `journal` (at most 32 bytes, written in sessions), `keys` (at most 69 bytes, written when
    a host is paired), `bonds` (4 bytes) and `plan0` to `plan3` (at most `plan.MAX_BYTES` + 12).

    write_every_ms: How far apart writes in the midst of a session are at least; flash wears.
    """

    write_every_ms = 30_000

    def load(self, name: str, start: int = 0, end: int | None = None) -> bytes | bytearray:
        """Return what was last saved under this name, or its bytes from `start` to before `end`.

        Returns:
            The bytes; b"" where there is nothing, or where the saving was interrupted.
        """
        return b""

    def save(self, name: str, data: bytes | bytearray, head: bytes = b"") -> bool:
        """Store `head` and `data` in place of what was there; if both are empty, nothing stays.

        Two pieces, because a plan should not be copied to get its head. This may take up to half a
        second on a board, and wears its flash.

        Returns:
            Whether they were stored.
        """
        return False
