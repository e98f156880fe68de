# SPDX-License-Identifier: MIT
"""The lines on the control socket; see the package."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from tenuto.errors import (
    ControlError,
    InputError,
    LinkError,
    LinkReason,
    RefusedError,
    StoreError,
    TenutoError,
)
from tenuto.event_loops import real_s
from tenuto.sessions.commands import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = 1
LINE_BYTES_MAX = 65_536
"""A plan of `tenuto_core.plan.MAX_BYTES` in base64 takes a sixth of it."""
SOCKET_PATH_BYTES_MAX = 103
"""`sockaddr_un` on macOS; Linux has room for four more."""
END_TIMEOUT_S = 0.3
SOCKET = "control.sock"
LOCK = "daemon.lock"

Message: TypeAlias = dict[str, Any]


def encode(message: Message) -> bytes:
    """Make a line.

    Raises:
        ControlError: It would be too long.
    """
    text = json.dumps(message, ensure_ascii=False, allow_nan=False)
    # What UTF-8 cannot write, as in a file's name, becomes a question mark.
    line = text.encode(errors="replace") + b"\n"
    if len(line) > LINE_BYTES_MAX:
        raise ControlError(
            f"a message of {len(line)} bytes does not fit on the control socket, which takes "
            f"{LINE_BYTES_MAX}"
        )
    return line


def decode(line: bytes) -> Message:
    """Read a line.

    Raises:
        ControlError: It is no JSON object, or not whole.
    """
    try:
        message = read_json(line)
    except ValueError:
        message = None
    if not line.endswith(b"\n") or not isinstance(message, dict):
        raise ControlError("what came on the control socket is no line of Tenuto's")
    return message


def error_message(error: TenutoError) -> Message:
    """Return what the client is told of an error; see `to_error`."""
    kind, reason = "other", ""
    match error:
        case InputError():
            kind = "input"
        case LinkError():
            kind, reason = "link", error.reason.value
        case RefusedError():
            kind, reason = "refused", error.reason
        case StoreError():
            kind = "store"
    return {"error": {"kind": kind, "reason": reason, "text": str(error)}}


def to_error(told: Mapping[str, Any]) -> TenutoError:
    """Make the error again that the daemon had."""
    kind, reason, text = told.get("kind"), str(told.get("reason", "")), str(told.get("text", ""))
    match kind:
        case "input":
            return InputError(text)
        case "link" if reason in set(LinkReason):
            return LinkError(LinkReason(reason), text)
        case "refused":
            return RefusedError(reason, text)
        case "store":
            return StoreError(text)
    return ControlError(text)


def socket_paths(environ: Mapping[str, str], data: Path) -> list[Path]:
    """Return where the socket may be, the best place first.

    Args:
        data: The user's data folder, for where there is no `$XDG_RUNTIME_DIR`, which a service that
            the system starts has not.
    """
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    named = [Path(runtime) / "tenuto"] if Path(runtime).is_absolute() else []
    return [folder / SOCKET for folder in (*named, data)]


def is_short_enough(path: Path) -> bool:
    """Whether the system takes this path for a socket."""
    return len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX


async def end(writer: asyncio.StreamWriter) -> None:
    """Close a connection; what the other end does not take within a moment is lost."""
    writer.close()
    try:
        async with asyncio.timeout(real_s(END_TIMEOUT_S)):
            await writer.wait_closed()
    except (OSError, TimeoutError):
        writer.transport.abort()
