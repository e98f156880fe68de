# SPDX-License-Identifier: MIT
"""A serial port as a pair of asyncio's streams, of which no call waits.

`serial_asyncio_fast` does nearly all of it.  But where a port takes no bytes, pyserial tries again
and again in its `write`, even if that must not wait, and the whole event loop stands still with it;
and who closes such a port waits until somebody takes what is left.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress

import serial
from serial_asyncio_fast import SerialTransport, connection_for_serial

if sys.platform == "win32":
    _NOT_OF_THE_SYSTEM: tuple[type[Exception], ...] = (ValueError,)
    _Port = serial.Serial
else:
    import termios

    _NOT_OF_THE_SYSTEM = (ValueError, termios.error)

    class _Port(serial.Serial):  # type: ignore[misc]  # pyserial has no types
        """A port whose `write` returns, as `SerialTransport` expects."""

        def write(self, data: bytes | bytearray | memoryview) -> int:
            """Write as much as there is room for.

            Raises:
                BlockingIOError: There is none.
                SerialException: The port is gone.
            """
            try:
                return os.write(self.fd, data)
            except BlockingIOError:
                raise
            except OSError as error:
                raise serial.SerialException(f"write failed: {error}") from error


class PortWriter(asyncio.StreamWriter):
    """The writing half of a port."""

    def give_up(self) -> None:
        """Close it at once; what the other end has not taken is lost."""
        transport = self.transport
        assert isinstance(transport, SerialTransport)  # noqa: S101 - made below
        if transport.serial is None:
            return
        with suppress(OSError, *_NOT_OF_THE_SYSTEM):
            transport.serial.reset_output_buffer()  # who waits for it to be taken is set free
        if transport.get_write_buffer_size():
            transport.abort()


async def open_streams(name: str, baud: int) -> tuple[asyncio.StreamReader, PortWriter]:
    """Open a port, for this program alone.

    Raises:
        OSError: That is not possible.
    """
    loop = asyncio.get_running_loop()
    try:
        port = await loop.run_in_executor(None, lambda: _Port(name, baud, exclusive=True))
    except _NOT_OF_THE_SYSTEM as error:
        raise OSError(f"{error}") from error
    reader = asyncio.StreamReader(loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await connection_for_serial(loop, lambda: protocol, port)
    return reader, PortWriter(transport, protocol, reader, loop)
