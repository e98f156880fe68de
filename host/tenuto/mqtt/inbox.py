# SPDX-License-Identifier: MIT
"""What others ask by MQTT: checked, limited, carried out once, and answered."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tenuto.errors import InputError, LinkError, RefusedError, TenutoError
from tenuto.event_loops import real_s
from tenuto.sessions.commands import Answer, Command, Preference, Verb

from .topics import BadCommandError, Bucket, TooOldError, parse_command, parse_setting

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

_log = logging.getLogger(__name__)

COMMAND_BURST = 10
COMMANDS_PER_S = 2.0
COMMANDS_AT_ONCE = 16
"""Under way for one wearable, besides `stop`: a slow one holds up its own, and a room of a hundred
starts at one word."""
IDS_REMEMBERED = 256


@dataclass(slots=True)
class _Door:
    """What one wearable takes.

    under_way: of its commands, without `stop`.  dropped: in a row, for they were too many.
    """

    others: Bucket = field(default_factory=lambda: Bucket(COMMAND_BURST, COMMANDS_PER_S))
    stops: Bucket = field(default_factory=lambda: Bucket(COMMAND_BURST, COMMANDS_PER_S))
    under_way: set[asyncio.Task[None]] = field(default_factory=set)
    dropped: int = 0

    def lets_in(self, now_s: float, *, is_stop: bool) -> bool:
        """Tell whether one more may come in.

        `stop` has a limit of its own, so that a flood of others cannot hold it up.
        """
        if is_stop:
            return self.stops.take(now_s)
        return self.others.take(now_s) and len(self.under_way) < COMMANDS_AT_ONCE


class Inbox:
    """The way in.

    Args:
        submit, prefer: carry out a command and a setting; called in the order of arrival.
        answer: told the wearable, the word that was asked or None, and what became of it.
        utc_ms: ms since 1970.
        timeout_s: after that a command is answered as `unreachable`.
    """

    def __init__(
        self,
        *,
        submit: Callable[[Command], Awaitable[Answer]],
        prefer: Callable[[Preference], Awaitable[Answer]],
        answer: Callable[[str, str | None, Answer], None],
        utc_ms: Callable[[], float],
        timeout_s: float,
    ) -> None:
        self.tasks: set[asyncio.Task[None]] = set()
        self._submit, self._prefer, self._answer = submit, prefer, answer
        self._utc_ms = utc_ms
        self._timeout_s = timeout_s
        self._doors: dict[str, _Door] = {}
        self._nobody = _Door()
        self._ids: OrderedDict[tuple[str, str], Answer | None] = OrderedDict()

    def set_wearables(self, wearables: Collection[str]) -> None:
        """Say which wearables may be asked from now on."""
        self._doors = {who: self._doors.get(who) or _Door() for who in wearables}

    def take(self, wearable: str, what: str, payload: bytes, *, retained: bool) -> None:
        """Check what was asked; either start to obey it or refuse it.

        what: `command` or the name of a setting.
        """
        if not payload:  # how a retained message is cleared
            return
        asked: Command | Preference | None = None
        word = None if what == "command" else f"{what[:64]}/set"
        request = None
        try:
            asked = self._check(wearable, what, payload, retained=retained)
            refusal = None
        except _Refusal as error:
            word, request, refusal = error.word or word, error.id, error.answer
        if isinstance(asked, Command):
            word, request = asked.verb.value, asked.id
        # All wearables that do not exist share one.
        door = self._doors.get(wearable, self._nobody)
        is_stop = isinstance(asked, Command) and asked.verb is Verb.STOP
        if door.lets_in(asyncio.get_running_loop().time(), is_stop=is_stop):
            if door.dropped > 1:
                _log.warning("mqtt commands dropped=%d too many", door.dropped)
            door.dropped = 0
        else:
            door.dropped += 1
            if door.dropped > 1:
                return
            asked = None
            refusal = Answer(ok=False, reason="too_many", text=_TOO_MANY, id=request)
        if refusal is not None or asked is None:
            refusal = refusal or Answer(ok=False, reason="bad_request", text="", id=request)
            _log.info("mqtt command refused reason=%s", refusal.reason)
            self._answer(wearable, word, refusal)
        elif request is None or not self._is_known(wearable, word, request):
            task = asyncio.create_task(self._obey(asked, word), name=f"mqtt {word}")
            for tasks in (self.tasks,) if is_stop else (self.tasks, door.under_way):
                tasks.add(task)
                task.add_done_callback(tasks.discard)

    def _check(
        self, wearable: str, what: str, payload: bytes, *, retained: bool
    ) -> Command | Preference:
        if retained:
            raise _Refusal("bad_request", _RETAINED)
        if wearable not in self._doors:
            known = ", ".join(self._doors) or "none"
            raise _Refusal("unknown_wearable", f"unknown wearable, known are {known}")
        try:
            if what == "command":
                return parse_command(wearable, payload, self._utc_ms())
            return parse_setting(wearable, what, payload)
        except BadCommandError as error:
            reason = "too_old" if isinstance(error, TooOldError) else "bad_request"
            raise _Refusal(reason, str(error), error.word, error.id) from None

    def _is_known(self, wearable: str, word: str | None, request: str) -> bool:
        """Tell whether a command came before; if it was answered, it is answered again."""
        key = (wearable, request)
        if key in self._ids:
            answer = self._ids[key]
            if answer is not None:
                self._answer(wearable, word, answer)
            return True
        self._ids[key] = None
        if len(self._ids) > IDS_REMEMBERED:
            self._ids.popitem(last=False)
        return False

    async def _obey(self, asked: Command | Preference, word: str | None) -> None:
        answer = await self._carry_out(asked, word)
        if answer.id is not None and (asked.wearable, answer.id) in self._ids:
            self._ids[asked.wearable, answer.id] = answer
        self._answer(asked.wearable, word, answer)

    async def _carry_out(self, asked: Command | Preference, word: str | None) -> Answer:
        try:
            async with asyncio.timeout(real_s(self._timeout_s)):
                if isinstance(asked, Command):
                    return await self._submit(asked)
                return await self._prefer(asked)
        except Exception as error:  # noqa: BLE001 - the one who asked must get an answer
            reason, text = self._explain(error)
            if reason is None:
                _log.exception("mqtt command=%s failed", word)
        request = asked.id if isinstance(asked, Command) else None
        return Answer(ok=False, reason=reason or "failed", text=text, id=request)

    def _explain(self, error: Exception) -> tuple[str | None, str]:
        """Give the reason and the text of a failure; the reason is None if it is one of ours."""
        if isinstance(error, TimeoutError):
            text = f"no answer within {self._timeout_s:g} s; it may still take effect"
            return "unreachable", text
        if isinstance(error, RefusedError):
            return error.reason, str(error)
        if isinstance(error, TenutoError):
            known = {LinkError: "unreachable", InputError: "bad_request"}
            return known.get(type(error), "failed"), str(error)
        return None, "this failed inside Tenuto; its log says where"


class _Refusal(Exception):  # noqa: N818 - nothing went wrong here
    """What was asked is refused; `word` and `id` are what could be read of it."""

    def __init__(
        self, reason: str, text: str, word: str | None = None, request: str | None = None
    ) -> None:
        self.word, self.id = word, request
        self.answer = Answer(ok=False, reason=reason, text=text, id=request)
        super().__init__(text)


_RETAINED = (
    "a retained command is ignored, for it would come again at each connection: "
    "publish it without retain, and clear it with an empty retained message"
)
_TOO_MANY = (
    f"too many commands: {COMMAND_BURST} at once and {COMMANDS_PER_S:g} a second are taken, "
    "the rest is dropped"
)
