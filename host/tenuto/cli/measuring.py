# SPDX-License-Identifier: MIT
"""Lessons, quizzes and measurements of strength at a terminal: keys in, lines out."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from tenuto import event_loops
from tenuto.cues.quiz import SCAN_FIRST_MS, SCAN_MS
from tenuto.cues.results import read
from tenuto.daemon.cues import AnswerCue
from tenuto.daemon.dispatch import open_dispatcher
from tenuto.daemon.operations import ANSWER_CUE
from tenuto.sessions.events import CueFired
from tenuto.terminal.words import cue as cue_words

from .common import signals
from .keys import keys
from .prompt import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenuto.config import Wearable
    from tenuto.cues.results import Result
    from tenuto.daemon.build import Setting
    from tenuto.daemon.cues import Measured
    from tenuto.daemon.dispatch import Dispatcher
    from tenuto.daemon.operations import Operation
    from tenuto.sessions.events import Entry

KEYS = "123456789"
"""For the answers, in the order of the cues."""


class Measurement:
    """One of them, from its beginning to its result.

    Args:
        setting: How time passes.
        worn: The wearable.
        choices: What each of `KEYS` answers; where there are none, every key does.
        has_keys: Whether keys answer.
        is_shown_in_turn: Whether the names are shown in turn, for the button.
        on_cue: Called with each cue that is felt.
    """

    def __init__(
        self,
        setting: Setting,
        worn: Wearable,
        *,
        choices: Sequence[str] = (),
        has_keys: bool = False,
        is_shown_in_turn: bool = False,
        on_cue: Callable[[str], None] = lambda _cue: None,
    ) -> None:
        self._setting = setting
        self._worn = worn
        self._choices = choices
        self._has_keys = has_keys
        self._is_shown_in_turn = is_shown_in_turn
        self._on_cue = on_cue
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self, operation: Operation[Any, Measured], asked: object) -> tuple[int, Result | None]:
        """Carry it out; return the exit code and what it came to."""
        measured = event_loops.run(self._run(operation, asked), speed=self._setting.speed)
        result = None if measured.data is None else read(measured.kind, measured.data)
        return {"finished": 0, "stopped": 3}.get(measured.reason, 1), result

    async def _run(self, operation: Operation[Any, Measured], asked: object) -> Measured:
        gone = asyncio.Event()
        async with open_dispatcher(self._setting, self._worn) as dispatch:
            reading = (
                keys(lambda key: self._press(dispatch, key)) if self._has_keys else nullcontext()
            )
            with signals(gone.set), reading:
                measured = await dispatch.call(operation, asked, Terminal(self._tell, gone))
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=1)
            return measured

    def _press(self, dispatch: Dispatcher, key: str) -> None:
        number = KEYS.find(key) if self._choices else 0
        if 0 <= number < max(1, len(self._choices)):
            self._begin(self._answer(dispatch, number))

    async def _answer(self, dispatch: Dispatcher, number: int) -> None:
        asked = AnswerCue(wearable=self._worn.id, number=number)
        if (await dispatch.call(ANSWER_CUE, asked, Terminal())).counts:
            print(".", end="", flush=True)

    async def _tell(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if isinstance(entry.event, CueFired):
                self._on_cue(entry.event.cue)
                if self._is_shown_in_turn:
                    self._begin(self._show_in_turn())

    async def _show_in_turn(self) -> None:
        """Show each name for as long as a press of the wearable's button chooses it."""
        for number, cue in enumerate(self._choices):
            print(f"  {'>' if number else '>>'} {cue_words(cue)}", flush=True)
            await asyncio.sleep((SCAN_MS if number else SCAN_FIRST_MS) / 1000)

    def _begin(self, work: Any) -> None:  # noqa: ANN401 - a coroutine
        if self._is_shown_in_turn:
            for task in self._tasks:
                task.cancel()
        task = asyncio.create_task(work, name="cue measurement")
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            print(f"tenuto: {task.exception()}")
