# SPDX-License-Identifier: MIT
"""What outlives a reset, behind one small interface."""


class Storage:
    """Nothing is kept; what keeps something derives from this.

    Names: `journal` (at most 32 bytes, written in sessions), `keys` (at most 69 bytes, written when
    a host is paired), `bonds` (4 bytes) and `plan0` to `plan3` (at most `plan.MAX_BYTES` + 12).
    """

    def load(self, name: str, start: int = 0, end: int | None = None) -> bytes | bytearray:
        """What was saved under this name last, or its bytes from `start` to before `end`.

        b"" where there is nothing, or what is there was not saved to its end.
        """
        return b""

    def save(self, name: str, data: bytes | bytearray, head: bytes = b"") -> bool:
        """Keep `head` and `data` in place of what was there; False where they cannot be kept.

        Of nothing, nothing is left.  Two pieces, because a plan should not be copied to get its
        head.  May take up to half a second on a board, and wears its flash.
        """
        return False
