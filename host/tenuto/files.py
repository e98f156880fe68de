# SPDX-License-Identifier: MIT
"""Files: the one place that reads those from outside, and that writes those of one owner.

What is read must be a regular file and of bounded size. To open a named pipe waits for a writer,
`/dev/zero` has no end, and both stand where a person, or a link in a folder, may put them. A
regular file on a network share may still hang: the daemon reads by `event_loops.aside`.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import tempfile
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tenuto.errors import InputError, Mistake

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT_BYTES_MAX = 262_144
"""Of a file that a person writes: a routine, a vocabulary, the configuration."""
STATE_BYTES_MAX = 16_777_216
"""Of a file that Tenuto writes for itself, and of a file on a board's drive."""
SPOOLED_BYTES_MAX = 1 << 32
"""Of what comes by standard input."""

UNFINISHED_S = 3600.0
"""What is written to a file goes out more often than that."""

_BLOCK_BYTES = 1 << 20
_UNFINISHED = ".unfinished"
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def open_regular(path: Path) -> BinaryIO:
    """Open a file to read its bytes, without waiting for anybody.

    Raises:
        OSError: It cannot be opened, or is something else than a regular file.
    """
    # Without O_NONBLOCK the opening of a pipe waits, before anything is known of it; for a regular
    # file it means nothing. A terminal must not become that of this process.
    flags = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
    file = open(path, "rb", opener=lambda name, mode: os.open(name, mode | flags))  # noqa: SIM115 - the caller closes it, and only open() takes an opener
    try:
        _check_regular(os.fstat(file.fileno()).st_mode, path)
    except BaseException:
        file.close()
        raise
    return file


def _check_regular(mode: int, path: Path) -> None:
    if stat.S_ISREG(mode):
        return
    what = next((name for is_kind, name in _KINDS if is_kind(mode)), "no file")
    number = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
    raise OSError(number, f"it is {what}, allowed is a regular file", str(path))


def read(path: Path, bytes_max: int = STATE_BYTES_MAX) -> bytes:
    """Return the bytes of a file.

    Raises:
        OSError: It cannot be read, is no regular file, or has more than `bytes_max` bytes.
    """
    with open_regular(path) as file:
        data = bytearray()
        # At once it would take as much memory as the file may have.
        while len(data) <= bytes_max and (piece := file.read(_BLOCK_BYTES)):
            data += piece
    if len(data) > bytes_max:
        text = f"it is longer than {bytes_max} bytes, which is the most that is allowed"
        raise OSError(errno.EFBIG, text, str(path))
    return bytes(data)


def read_text(path: Path, bytes_max: int = STATE_BYTES_MAX) -> str:
    """Return the text of a file in UTF-8, with or without a byte-order mark.

    Raises:
        OSError: As `read`.
        UnicodeDecodeError: It is not UTF-8.
    """
    return read(path, bytes_max).decode("utf-8-sig")


def read_input(path: Path) -> bytes:
    """Return the bytes of a file that a person wrote and can mend.

    Raises:
        InputError: It cannot be read, is no regular file or too long.
    """
    try:
        return read(path, TEXT_BYTES_MAX)
    except OSError as error:
        raise InputError([Mistake(str(path), 0, f"cannot be read: {error.strerror}")]) from None


def why_unread(error: Exception, otherwise: str = "it has another form") -> str:
    """Say why a JSON file could not be read, and nothing of what is in it.

    Args:
        error: From `read_text`, or from whatever took its text apart.
        otherwise: What to say where it is JSON, and not what was looked for.
    """
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if isinstance(error, json.JSONDecodeError):
        return f"line {error.lineno} is no JSON"
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else otherwise


def lines_of(file: BinaryIO, name: str, bytes_max: int) -> Iterator[str]:
    """Return the lines of a text file of any length, one after the other, each with its end.

    Args:
        file: Its bytes, in UTF-8, with or without a byte-order mark.
        name: What messages call it.
        bytes_max: The longest line that is allowed; no more of a line is held.

    Raises:
        InputError: With the line that is too long or not UTF-8.
    """
    number = 0
    while line := file.readline(bytes_max + 1):
        number += 1
        if len(line) > bytes_max:
            raise InputError([Mistake(name, number, f"is longer than {bytes_max} bytes")])
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            text = f"byte {error.start + 1} of the line is not UTF-8"
            raise InputError([Mistake(name, number, text)]) from None


def spooled(source: BinaryIO, bytes_max: int = SPOOLED_BYTES_MAX) -> BinaryIO:
    """Return a temporary file with all that a pipe or terminal has to give, at its beginning.

    Whoever reads from it need not wait for the other end any more.

    Raises:
        OSError: It cannot be kept, or has more than `bytes_max` bytes.
    """
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    try:
        size = 0
        while data := source.read(_BLOCK_BYTES):
            size += len(data)
            if size > bytes_max:
                raise OSError(errno.EFBIG, f"there is no end of it after {bytes_max} bytes")
            file.write(data)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def write_private(
    path: Path, content: str | bytes, *, make_folder: bool = True, to_disk: bool = True
) -> None:
    """Write a file as `new_private` does; text goes out as UTF-8.

    Raises:
        OSError: It cannot be written; what was there before still is.
    """
    with new_private(path, make_folder=make_folder, to_disk=to_disk) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def new_private(
    path: Path, *, make_folder: bool = True, to_disk: bool = True
) -> Iterator[BinaryIO]:
    """Write a file with mode 0600 anew: in whole or not at all, also at a power cut.

    It takes the place of what is there when the block ends without an exception.

    Args:
        make_folder: Make folders that are missing, with mode 0700.
        to_disk: Wait until the disk has it; else it outlives this process, but no power cut.

    Raises:
        OSError: It cannot be written; what was there before still is.
    """
    if make_folder:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # mkstemp makes it with mode 0600, so that there is no moment in which others could open it.
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=_UNFINISHED)
    try:
        with os.fdopen(number, "wb") as file:
            yield file
            file.flush()
            if to_disk:
                os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _remove_unfinished(path)


def _remove_unfinished(path: Path) -> None:
    """Remove what processes that were killed have left of a file: there may be keys in it."""
    with suppress(OSError):
        now_s = path.stat().st_mtime
        for left in path.parent.glob(f".{escape(path.name)}.*{_UNFINISHED}"):
            if now_s - left.stat().st_mtime > UNFINISHED_S:
                left.unlink()
