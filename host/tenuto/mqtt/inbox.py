# SPDX-License-Identifier: MIT
"""What others ask by MQTT: read where it arrives, handed on, and answered."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from tenuto.sessions.commands import CLASS, Answer, ClassCommand, Command, Unreadable

from .topics import BadCommandError, parse_class_command, parse_command, parse_setting

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from tenuto.sessions.admission import Request

_log = logging.getLogger(__name__)


class Inbox:
    """The way in.

    Attributes:
        newest_age_s: How long ago the newest command was asked by its own `at`, which is how far
            the clocks differ if nothing held it up. None before the first that has an `at`.

    Args:
        submit: Carries out a request within a time limit, or refuses it; called in the order of
            arrival.
        answer: Told the wearable, the word that was asked or None, and what became of it.
        utc_ms: Returns the present in ms since 1970.
    """

    def __init__(
        self,
        *,
        submit: Callable[[Request], Awaitable[Answer]],
        answer: Callable[[str, str | None, Answer], None],
        utc_ms: Callable[[], float],
    ) -> None:
        self.tasks: set[asyncio.Task[None]] = set()
        self._submit, self._answer = submit, answer
        self._utc_ms = utc_ms
        self._wearables: Collection[str] = ()
        self._dropped: dict[str, int] = {}
        self.newest_age_s: float | None = None

    def set_wearables(self, wearables: Collection[str]) -> None:
        """Say which wearables may be asked from now on."""
        self._wearables = tuple(wearables)

    def take(self, wearable: str, what: str, payload: bytes, *, retained: bool) -> None:
        """Read what was asked and hand it on.

        Args:
            what: `command` or the name of a setting.
        """
        if not payload:  # how a retained message is cleared
            return
        word = None if what == "command" else f"{what[:64]}/set"
        asked: Request
        try:
            asked = self._read(wearable, what, payload, retained=retained)
        except BadCommandError as error:
            word = error.word or word
            # All wearables that do not exist count as one.
            known = wearable if wearable in (*self._wearables, CLASS) else ""
            refusal = Answer(ok=False, reason=error.reason, text=str(error), id=error.id)
            asked = Unreadable(wearable=known, refusal=refusal)
            self._note(error.age_s)
            _log.info("mqtt command refused reason=%s", error.reason)
        if isinstance(asked, Command | ClassCommand):
            is_of_class = isinstance(asked, ClassCommand)
            word = f"class_{asked.verb}" if is_of_class else asked.verb.value
            self._note(asked.age_s)
        task = asyncio.create_task(self._obey(wearable, asked, word), name=f"mqtt {word}")
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _note(self, age_s: float | None) -> None:
        if age_s is not None:
            self.newest_age_s = age_s

    def _read(self, wearable: str, what: str, payload: bytes, *, retained: bool) -> Request:
        if retained:
            raise BadCommandError(_RETAINED)
        if (wearable, what) == (CLASS, "command"):
            return parse_class_command(payload, self._utc_ms())
        if wearable not in (*self._wearables, CLASS):
            known = ", ".join(self._wearables) or "none"
            raise UnknownWearableError(f"unknown wearable, known are {known}")
        if what == "command":
            return parse_command(wearable, payload, self._utc_ms())
        return parse_setting(wearable, what, payload)

    async def _obey(self, wearable: str, asked: Request, word: str | None) -> None:
        answer = await self._submit(asked)
        if answer.reason != "too_many":
            dropped = self._dropped.pop(asked.wearable, 0)
            if dropped > 1:
                _log.warning("mqtt commands dropped=%d too many", dropped)
        else:
            dropped = self._dropped.get(asked.wearable, 0)
            self._dropped[asked.wearable] = dropped + 1
            if dropped:
                return  # the first of a row is answered
        self._answer(wearable, word, answer)


class UnknownWearableError(BadCommandError):
    """No such wearable may be asked."""

    reason = "unknown_wearable"


_RETAINED = (
    "a retained command is ignored, for it would come again at each connection: "
    "publish it without retain, and clear it with an empty retained message"
)
