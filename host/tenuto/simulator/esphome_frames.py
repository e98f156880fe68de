# SPDX-License-Identifier: MIT
"""The frames of ESPHome's native API as a device speaks it, plain or encrypted.  Does no I/O.

aioesphomeapi has only the client's side of it. A plain frame is 0x00, the size and the type of the
message as varints, and the message. An encrypted one is 0x01, its size as two bytes, and what Noise
made of type, size and message; three frames go before the first of them (Noise_NNpsk0).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from aioesphomeapi.core import MESSAGE_TYPE_TO_PROTO
from google.protobuf.message import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

FRAME_BYTES_MAX = 65_535
_PLAIN, _ENCRYPTED = 0x00, 0x01
_PROLOGUE = b"NoiseAPIInit\x00\x00"
_TYPES = {kind: number for number, kind in MESSAGE_TYPE_TO_PROTO.items()}


class FrameError(Exception):
    """The other side does not speak this protocol, or has another key; it is hung up on."""


class Frames(Protocol):
    """One connection's frames."""

    answer: bytearray
    """What has to be sent before anything else; emptied by whoever sends it."""

    def feed(self, data: bytes) -> Iterator[Message]:
        """Take in what came and yield the messages in it.

        Raises:
            FrameError: They cannot be read.
        """
        ...

    def pack(self, message: Message) -> bytes:
        """Return the frame of a message."""
        ...


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read_varint(data: bytearray, at: int) -> tuple[int, int] | None:
    """Return a number and where it ends; None while it is not there as a whole."""
    number = shift = 0
    while at < len(data):
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
        if shift > 28:
            raise FrameError("a number that is too long")
    return None


def _message(kind: int, data: bytes) -> Message | None:
    """Read a message; None for one of a type that is not known."""
    make = MESSAGE_TYPE_TO_PROTO.get(kind)
    if make is None:
        return None
    message: Message = make()
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise FrameError("a message that cannot be read") from None
    return message


class PlainFrames:
    """Frames without encryption."""

    def __init__(self) -> None:
        self.answer = bytearray()
        self._came = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """Take in what came; see `Frames`."""
        self._came += data
        while self._came:
            if self._came[0] != _PLAIN:
                self.answer += b"\x00\x00\x00"
                raise FrameError("the client wants encryption, and this proxy has no key")
            size = _read_varint(self._came, 1)
            kind = None if size is None else _read_varint(self._came, size[1])
            if size is None or kind is None:
                return
            if size[0] > FRAME_BYTES_MAX:
                raise FrameError("a frame that is too long")
            end = kind[1] + size[0]
            if len(self._came) < end:
                return
            message = _message(kind[0], bytes(self._came[kind[1] : end]))
            del self._came[:end]
            if message is not None:
                yield message

    def pack(self, message: Message) -> bytes:
        """Return the frame of a message."""
        data: bytes = message.SerializeToString()
        return b"\x00" + _varint(len(data)) + _varint(_TYPES[type(message)]) + data


class NoiseFrames:
    """Encrypted frames.

    Args:
        key: The proxy's, in base64, as ESPHome's configuration has it.
        name: The proxy's, which the client is told before the encryption begins.
        mac: Its address, likewise.
    """

    def __init__(self, key: str, name: str, mac: str) -> None:
        from aioesphomeapi.noise import decode_noise_psk  # noqa: PLC0415 - takes its time
        from noise.connection import NoiseConnection  # noqa: PLC0415

        self.answer = bytearray()
        self._came = bytearray()
        self._hello = (
            b"\x01" + name.encode() + b"\0" + mac.replace(":", "").lower().encode() + b"\0"
        )
        self._steps = 0
        self._noise: Any = NoiseConnection.from_name(b"Noise_NNpsk0_25519_ChaChaPoly_SHA256")
        self._noise.set_as_responder()
        self._noise.set_psks(decode_noise_psk(key))
        self._noise.set_prologue(_PROLOGUE)
        self._noise.start_handshake()

    def feed(self, data: bytes) -> Iterator[Message]:
        """Take in what came; see `Frames`."""
        self._came += data
        while len(self._came) >= 3:
            if self._came[0] != _ENCRYPTED:
                self.answer += self._frame(b"\x01Bad indicator byte")
                raise FrameError("the client speaks without encryption")
            end = 3 + int.from_bytes(self._came[1:3], "big")
            if len(self._came) < end:
                return
            frame = bytes(self._came[3:end])
            del self._came[:end]
            message = self._take(frame)
            if message is not None:
                yield message

    def pack(self, message: Message) -> bytes:
        """Return the frame of a message."""
        data: bytes = message.SerializeToString()
        head = _TYPES[type(message)].to_bytes(2, "big") + len(data).to_bytes(2, "big")
        return self._frame(bytes(self._noise.encrypt(head + data)))

    @staticmethod
    def _frame(data: bytes) -> bytes:
        return b"\x01" + len(data).to_bytes(2, "big") + data

    def _take(self, frame: bytes) -> Message | None:
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - takes its time

        self._steps += 1
        try:
            if self._steps == 1:
                self.answer += self._frame(self._hello)
                return None
            if self._steps == 2:
                self._noise.read_message(frame[1:])
                self.answer += self._frame(b"\0" + bytes(self._noise.write_message()))
                return None
            told = bytes(self._noise.decrypt(frame))
        except InvalidTag:
            self.answer += self._frame(b"\x01Handshake MAC failure")
            raise FrameError("the client has another key") from None
        return _message(int.from_bytes(told[:2], "big"), told[4:])
