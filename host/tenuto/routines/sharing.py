# SPDX-License-Identifier: MIT
"""A routine as one word that can be sent, pasted and scanned: compressed, and checked on arrival.

The word is `TENUTO1:` and, in base32, the file's bytes by DEFLATE (RFC 1951) with `_DICTIONARY`,
and before them their CRC-32, little-endian.  All its characters are those of the alphanumeric mode
of QR codes, which takes less room than bytes do, and a terminal or a chat may break it into lines.
"""

from __future__ import annotations

import base64
import binascii
import struct
import tomllib
import zlib

from tenuto.errors import InputError
from tenuto.files import TEXT_BYTES_MAX

PREFIX = "TENUTO1:"
WORD_CHARS_MAX = 16_384
_RAW = -15

_DICTIONARY = (
    b'halfway = falsecountdown = "off"self_paced = trueheart_gate = { below_bpm = 110, max_s = 180 '
    b'}kind = "mobility"kind = "balance"kind = "breathing"private_name = "cues = { hold_start = '
    b'[on_off_ms = [150, 150, 150]link = "https://circuit = "[circuit.rounds = 2ready_s = 5'
    b'hold_s = "open"hold_max_s = 120mark_every_s = 15left_hold_s = right_hold_s = reps = [6, 4, 2]'
    b"sets = 3set_rest_s = 20rest_s = 0switch_s = 8change_s = 10hold_s = 30reps = 2rest_s = 6"
    b'phases = [{ name = "in", s = 4, cue = [120] }, { name = "out", s = 6, cue = [120, 150, 120] '
    b"}]"
    b'{ name = "stretch", s = 10 }, { name = "press", s = 6 }, { name = "deeper", s = 20 },'
    b'muscles = ["abdominals", "lower back", "glutes", "hip flexors", "piriformis", "hamstrings", '
    b'"calves", "shoulders", "neck", "chest"]This is a timer, not medical advice.\n'
    b"Go to mild tension, never into pain, and keep breathing.\nLeft means that the left leg is "
    b"the floor, knee on your back, the other foot knees bent, both hands until you feel it"
    b'description = "source = """safety = """title = "\n[defaults]\nkind = "strength"\n'
    b'sides = "alternating"sides = "together"sides = "each"\n\n[[exercise]]\nname = "how = """\n'
)
"""Must never change: what was shared once is read with it for ever."""


def shared(data: bytes) -> str:
    """Return the word for a routine file.

    Lines that are only a comment, and empty ones, are left out where that leaves the meaning.

    Args:
        data: The bytes of a file that `routine.parse` takes.
    """
    data = _without_comments(data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n"))
    packer = zlib.compressobj(9, zlib.DEFLATED, _RAW, zdict=_DICTIONARY)
    packed = struct.pack("<I", zlib.crc32(data)) + packer.compress(data) + packer.flush()
    return PREFIX + base64.b32encode(packed).decode().rstrip("=")


def _without_comments(data: bytes) -> bytes:
    lines = data.split(b"\n")
    short = b"\n".join(line for line in lines if line.strip() and not line.startswith(b"#")) + b"\n"
    try:
        same = tomllib.loads(short.decode()) == tomllib.loads(data.decode())
    except ValueError:
        return data
    return short if same else data


def unshared(word: str) -> bytes:
    """Return the file's bytes of a word; whether they are a routine is not looked at.

    Args:
        word: Blanks and line breaks in it, and small letters, do not matter.

    Raises:
        InputError: It is no such word, is damaged, or becomes too large.
    """
    if len(word) > WORD_CHARS_MAX:
        raise InputError(f"the text is longer than {WORD_CHARS_MAX} characters")
    text = "".join(word.split()).upper()
    if not text.startswith(PREFIX):
        raise InputError(
            f"this is no shared routine: it begins with {PREFIX}; `tenuto routines share NAME`"
            " prints one"
        )
    text = text.removeprefix(PREFIX)
    damaged = InputError("the text is damaged or not complete; have it sent again")
    try:
        packed = base64.b32decode(text + "=" * (-len(text) % 8))
        (checksum,) = struct.unpack_from("<I", packed)
        opener = zlib.decompressobj(_RAW, zdict=_DICTIONARY)
        data = opener.decompress(packed[4:], TEXT_BYTES_MAX + 1)
    except (binascii.Error, struct.error, zlib.error, ValueError):
        raise damaged from None
    if len(data) > TEXT_BYTES_MAX:
        raise InputError(f"it becomes larger than {TEXT_BYTES_MAX} bytes, the most of a routine")
    if not opener.eof or opener.unused_data or zlib.crc32(data) != checksum:
        raise damaged
    return data
