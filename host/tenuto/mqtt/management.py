# SPDX-License-Identifier: MIT
"""What others ask of Tenuto itself by MQTT: to restart, to log more or less, to pair.

Each is power over more than a session, so it is off unless the configuration turns it on, and has
limits of its own besides; see `tenuto.daemon.management`.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tenuto.errors import TenutoError
from tenuto.sessions.admission import Bucket
from tenuto.sessions.commands import AGE_MAX_S, Answer, read_json

from .topics import BadCommandError, TooOldError, age_of, is_text, text_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

_log = logging.getLogger(__name__)

LOG_LEVELS = ("debug", "info", "warning")
BURST, PER_S = 5, 0.5
"""How many requests are answered at once, and in a second; the rest is dropped in silence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRequest:
    """One request.

    Attributes:
        name: `restart`, `log_level` or `pairing`.
        value: For `log_level` one of `LOG_LEVELS`, for `pairing` whether; None for `restart`.
        id: Comes back in the answer.
    """

    name: str
    value: str | bool | None = None
    id: str | None = None


class NotAllowedError(TenutoError):
    """The configuration does not allow it."""


def parse_host_request(what: str, payload: bytes, now_utc_ms: float) -> HostRequest:
    """Read a message for Tenuto itself.

    Args:
        what: `command`, or the name of what is set.
        payload: The message.
        now_utc_ms: The present in ms since 1970.

    Raises:
        BadCommandError: With what is wrong and what is allowed.
    """
    text = text_of(payload)
    if what == "command":
        return _read_command(text, now_utc_ms)
    allowed = _SETTINGS.get(what)
    if allowed is None:
        raise BadCommandError(f"unknown setting, known are {', '.join(_SETTINGS)}")
    if text not in allowed:
        raise BadCommandError(f"{what} must be one of {', '.join(allowed)}")
    return HostRequest(name=what, value=allowed[text])


def _read_command(text: str, now_utc_ms: float) -> HostRequest:
    data: object = {"command": text}
    if text.startswith("{"):
        try:
            data = read_json(text)
        except ValueError:
            raise BadCommandError("this is not JSON") from None
    if not isinstance(data, dict) or data.keys() - {"command", "id", "at"}:
        raise BadCommandError("a command for Tenuto itself takes command, id, at")
    request, at = data.get("id"), data.get("at")
    if request is not None and not is_text(request):
        raise BadCommandError("id must be a text of 1 to 64 characters")
    if data.get("command") != "restart":
        raise BadCommandError("unknown command, known is restart", request=request)
    age_s = 0.0 if at is None else age_of(at, now_utc_ms)
    if age_s is None:
        raise BadCommandError("at must be a time with its zone, or s since 1970", request=request)
    if not -AGE_MAX_S <= age_s <= AGE_MAX_S:
        raise TooOldError("restart was asked too long ago; do the clocks agree?", request=request)
    return HostRequest(name="restart", id=request)


_SETTINGS: Mapping[str, Mapping[str, str | bool]] = {
    "log_level": {level: level for level in LOG_LEVELS},
    "pairing": {"ON": True, "OFF": False},
}


class Management:
    """The way in.

    Args:
        carry_out: Does what is asked and returns what to say about it; raises TenutoError. None
            where the configuration does not allow it.
        answer: Told the word that was asked, and what became of it.
        utc_ms: Returns the present in ms since 1970.
    """

    def __init__(
        self,
        carry_out: Callable[[HostRequest], Awaitable[str]] | None,
        *,
        answer: Callable[[str, Answer], None],
        utc_ms: Callable[[], float],
    ) -> None:
        self.tasks: set[asyncio.Task[None]] = set()
        self._carry_out = carry_out
        self._answer = answer
        self._utc_ms = utc_ms
        self._bucket = Bucket(BURST, PER_S)

    def take(self, what: str, payload: bytes, *, retained: bool) -> None:
        """Read what was asked, do it, and answer."""
        if not payload:  # how a retained message is cleared
            return
        if not self._bucket.take(asyncio.get_running_loop().time()):
            _log.warning("mqtt a request for Tenuto itself was dropped: too many")
            return
        task = asyncio.create_task(self._obey(what, payload, retained=retained), name="mqtt manage")
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _obey(self, what: str, payload: bytes, *, retained: bool) -> None:
        word = what[:64] if what == "command" else f"{what[:64]}/set"
        answer = Answer(ok=False, reason="failed", text="this failed inside Tenuto")
        try:
            if retained:
                raise BadCommandError("a retained command is ignored, it would come again")
            if self._carry_out is None:
                raise NotAllowedError(
                    "this is not allowed: [home_assistant] manage = true in Tenuto's configuration "
                    "lets everybody ask for it who may write to this topic"
                )
            asked = parse_host_request(what, payload, self._utc_ms())
            word = asked.name if what == "command" else word
            answer = replace(answer, id=asked.id)
            text = await self._carry_out(asked)
            answer = replace(answer, ok=True, reason="ok", text=text)
        except BadCommandError as error:
            answer = Answer(ok=False, reason=error.reason, text=str(error), id=error.id)
        except NotAllowedError as error:
            answer = replace(answer, reason="not_allowed", text=str(error))
        except TenutoError as error:
            answer = replace(
                answer, reason=str(getattr(error, "reason", "failed")), text=str(error)
            )
        except Exception:  # noqa: BLE001 - whoever asked must get an answer
            _log.exception("mqtt a fault of Tenuto's own")
        _log.info("mqtt asked of Tenuto itself: %s answer=%s", word, answer.reason)
        self._answer(word, answer)
