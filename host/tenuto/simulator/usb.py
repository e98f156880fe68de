# SPDX-License-Identifier: MIT
"""A simulated cable between a host and a board's `usb_cdc.data`.

The host's end is a pair of streams in memory, which keeps virtual time, or a pseudo terminal, which
any program opens like a serial port.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

HELD_BYTES_MAX = 4096
"""A board's buffers are smaller; what does not fit waits on the other side."""


class BoardEnd:
    """What CircuitPython's `usb_cdc.Serial` offers to a program that never waits.

    Attributes:
        timeout, write_timeout: Kept, but no call waits whatever they say.
    """

    def __init__(self, cable: UsbCable) -> None:
        self._cable = cable
        self.timeout: float | None = None
        self.write_timeout: float | None = None

    @property
    def connected(self) -> bool:
        """Whether a program has the host's end open."""
        return self._cable.is_open

    @property
    def in_waiting(self) -> int:
        """How many bytes can be read now."""
        return len(self._cable.to_board)

    def read(self, size: int = 1) -> bytes:
        """Return at most `size` bytes of what has come."""
        data = bytes(self._cable.to_board[:size])
        del self._cable.to_board[:size]
        self._cable.on_room()
        return data

    def write(self, data: bytes) -> int:
        """Take as much as there is room for.

        Returns:
            How many bytes that was.
        """
        if not self._cable.is_open:
            return 0
        taken = bytes(data[: max(0, HELD_BYTES_MAX - self._cable.unread)])
        if taken:
            self._cable.to_host(taken)
        return len(taken)


class UsbCable:
    """wake: called when a program that polls the board's end would find something new.

    Attributes:
        to_board: What the board has not read yet.
        is_open: Whether a program has the host's end open.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self.to_board = bytearray()
        self.is_open = False
        self._reader: asyncio.StreamReader | None = None
        self._pty: Pty | None = None

    def board_end(self) -> BoardEnd:
        """Return what the board imports as `usb_cdc.data`."""
        return BoardEnd(self)

    @property
    def unread(self) -> int:
        """How many bytes the host has not read yet."""
        if self._pty is not None:
            return self._pty.unread
        return len(self._reader._buffer) if self._reader is not None else 0  # type: ignore[attr-defined]  # noqa: SLF001 - asyncio tells it nowhere else

    # --- the host's end

    async def open(self) -> tuple[asyncio.StreamReader, CableWriter]:
        """Open the host's end, as `serial_asyncio_fast.open_serial_connection` does.

        Raises:
            OSError: It is open already.
        """
        if self.is_open:
            raise OSError(16, "Device or resource busy")
        self._reader = asyncio.StreamReader()
        self.is_open = True
        self._wake()
        return self._reader, CableWriter(self)

    def pty(self) -> Pty:
        """Offer the host's end as a pseudo terminal; to be entered."""
        return Pty(self)

    def attach(self, pty: Pty | None) -> None:
        """Let a pseudo terminal be the host's end, or nothing."""
        self._pty = pty
        self.is_open = pty is not None
        self._wake()

    def unplug(self) -> None:
        """Pull the cable: the host reads the end, the board sees nobody."""
        self.is_open = False
        self.to_board.clear()
        if self._reader is not None:
            self._reader.feed_eof()
            self._reader = None

    def from_host(self, data: bytes) -> None:
        """Bytes on their way to the board."""
        if self.is_open:
            self.to_board += data
            self._wake()

    def to_host(self, data: bytes) -> None:
        """Bytes on their way to the host."""
        if self._pty is not None:
            self._pty.write(data)
        elif self._reader is not None:
            self._reader.feed_data(data)

    def on_room(self) -> None:
        """The board has read something."""
        if self._pty is not None:
            self._pty.read_on()


class CableWriter:
    """The writing half of the host's end, with the methods of `asyncio.StreamWriter` in use."""

    def __init__(self, cable: UsbCable) -> None:
        self._cable = cable

    def write(self, data: bytes) -> None:
        """Send bytes."""
        self._cable.from_host(data)

    async def drain(self) -> None:
        """Wait until there is room; there always is."""

    def close(self) -> None:
        """Close the host's end."""
        self._cable.unplug()

    async def wait_closed(self) -> None:
        """Wait for nothing."""

    def give_up(self) -> None:
        """Close the host's end."""
        self._cable.unplug()


class Pty:
    """A pseudo terminal whose other end, `path`, a program opens like a serial port."""

    def __init__(self, cable: UsbCable) -> None:
        self._cable = cable
        self._master = self._slave = -1
        self._unsent = bytearray()
        self.path = ""

    async def __aenter__(self) -> Self:
        import tty  # noqa: PLC0415 - not on Windows

        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self.read_on()
        self._cable.attach(self)
        return self

    async def __aexit__(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._master)
        loop.remove_writer(self._master)
        self._cable.attach(None)
        self._cable.unplug()
        os.close(self._master)
        os.close(self._slave)

    @property
    def terminal(self) -> int:
        """The file descriptor of the end at `path`."""
        return self._slave

    @property
    def unread(self) -> int:
        """How many bytes the terminal has not taken yet."""
        return len(self._unsent)

    def read_on(self) -> None:
        """Read again, after the board has made room."""
        if self._master >= 0:
            asyncio.get_running_loop().add_reader(self._master, self._on_readable)

    def _on_readable(self) -> None:
        if len(self._cable.to_board) >= HELD_BYTES_MAX:
            asyncio.get_running_loop().remove_reader(self._master)
            return
        self._cable.from_host(os.read(self._master, HELD_BYTES_MAX))

    def write(self, data: bytes) -> None:
        """Send bytes to whoever has the other end open."""
        self._unsent += data
        self._on_writable()

    def _on_writable(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            sent = os.write(self._master, self._unsent)
        except BlockingIOError:
            sent = 0
        del self._unsent[:sent]
        if self._unsent:
            loop.add_writer(self._master, self._on_writable)
        else:
            loop.remove_writer(self._master)
