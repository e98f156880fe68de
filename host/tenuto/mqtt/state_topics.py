# SPDX-License-Identifier: MIT
"""Keep the state topics current: settings, devices, and summaries of sessions.

A sink beside the bridge: its payloads come from the history and the supervisors, which takes a
moment, and no event waits for that.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from tenuto.event_loops import real_s
from tenuto.retry import Backoff, describe_failure
from tenuto.sessions.commands import CLASS
from tenuto.sessions.events import CueFired, SessionEnded, SessionStarted

from .topics import class_settings_payload, device_payload, settings_payload, summary_payload

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from tenuto.history import SessionRow
    from tenuto.history.person_summary import PersonSummaries
    from tenuto.sessions.events import Entry
    from tenuto.state.settings import SettingsStore
    from tenuto.wearables.device_state import DeviceState

    from .bridge import Bridge

_log = logging.getLogger(__name__)

AGAIN_S = 600.0
"""How often everything is worked out again: days end, and batteries run down."""
RETRY_FIRST_S, RETRY_MAX_S = 1.0, 60.0
"""While the history is behind, as on a disk that is full or slow, or cannot be read."""
CUES_REMEMBERED = 1000


class StateTopics:
    """The sink.

    Args:
        bridge: told what changes.
        settings: what is set for each wearable, and where that is kept.
        summaries: None where there is no history to read.
        device: gives what is known of a wearable as a thing.
        device_id: gives what a wearable is known by in the history, None before it was reached.
        routine_label: returns what people are shown for a routine that is set for a wearable or
            for `CLASS`; for None, for what a bare `start` begins where nothing is set.
        flushed: waits until the history has what happened so far; false if it has not yet.
        utc_ms: ms since 1970.
    """

    name = "mqtt facts"

    def __init__(
        self,
        bridge: Bridge,
        *,
        settings: SettingsStore,
        summaries: PersonSummaries,
        device: Callable[[str], DeviceState],
        device_id: Callable[[str], str | None],
        routine_label: Callable[[str, str | None], str],
        flushed: Callable[[], Awaitable[bool]],
        utc_ms: Callable[[], float],
    ) -> None:
        self._bridge = bridge
        self._settings = settings
        self._summaries = summaries
        self._device = device
        self._device_id = device_id
        self._routine_label = routine_label
        self._flushed = flushed
        self._utc_ms = utc_ms
        self._wearables: tuple[str, ...] = ()
        self._people: tuple[str, ...] = ()
        self._late_ms: dict[str, deque[int]] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def set_subjects(self, wearables: Collection[str], people: Collection[str]) -> None:
        """Say whom to tell about; those that the bridge was told of."""
        self._wearables, self._people = tuple(wearables), tuple(people)
        for wearable in wearables:
            self.say_settings(wearable)
        if len(self._wearables) > 1:
            self.say_settings(CLASS)
        self.refresh()

    def refresh(self) -> None:
        """Have everything worked out again soon."""
        self._wake.set()

    # --- the sink

    async def open(self) -> None:
        """Begin."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="mqtt facts")

    async def handle(self, entries: Sequence[Entry]) -> None:
        """Note what entries change."""
        for entry in entries:
            wearable, event = entry.wearable, entry.event
            if isinstance(event, SessionStarted):
                self._late_ms.pop(wearable, None)
            elif isinstance(event, CueFired):
                late = self._late_ms.setdefault(wearable, deque(maxlen=CUES_REMEMBERED))
                late.append(event.late_ms)
            elif isinstance(event, SessionEnded):
                self.refresh()
        if any(isinstance(entry.event, SessionStarted) for entry in entries):
            self._bridge.announce_anew()  # a routine file may be new

    async def close(self) -> None:
        """End."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task}, timeout=real_s(1))

    # --- what is said

    def say_settings(self, wearable: str) -> None:
        """Say what is set for a wearable, or for `CLASS`."""
        preferences = self._settings.preferences(wearable)
        label = self._routine_label(wearable, preferences.routine)
        if wearable == CLASS:
            self._bridge.set_class_settings(class_settings_payload(label))
        else:
            self._bridge.set_settings(wearable, settings_payload(preferences, label))

    async def _run(self) -> None:
        backoff, failing = Backoff(None, first_s=RETRY_FIRST_S, max_s=RETRY_MAX_S), False
        while True:
            self._wake.clear()
            try:
                is_all = await self._flushed()
                await self._say_all()
            except Exception as error:  # noqa: BLE001 - whatever it was, the next time may work
                is_all = False
                if not failing:
                    _log.warning("mqtt facts: %s", describe_failure(error))
                failing = True
            else:
                failing = False
            if is_all:
                backoff.reset()
            again_s = AGAIN_S if is_all else backoff.next_s()
            try:
                async with asyncio.timeout(again_s):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _say_all(self) -> None:
        now_ms = round(self._utc_ms())
        for wearable in self._wearables:
            self.say_device(wearable)
        wearables, people = self._wearables, self._people
        subjects = [
            *(
                partial(_is_played_on, wearable, self._device_id(wearable))
                for wearable in wearables
            ),
            *(partial(_is_of_person, person) for person in people),
        ]
        told = iter(await self._summaries.of_each(subjects, now_ms))
        for wearable, stands in zip(wearables, told, strict=False):
            self._bridge.set_summary(wearable, summary_payload(stands))
        prescribed = await self._summaries.prescribed(now_ms) if people else {}
        for person, stands in zip(people, told, strict=True):
            payload = summary_payload(stands, prescribed.get(person, ()))
            self._bridge.set_person_summary(person, payload)

    def say_device(self, wearable: str) -> None:
        """Say what is known of a wearable as a thing."""
        late_ms = sorted(self._late_ms.get(wearable, ()))
        p99_ms = late_ms[math.ceil(0.99 * len(late_ms)) - 1] if late_ms else None
        device = replace(self._device(wearable), late_p99_ms=p99_ms)
        self._bridge.set_device(wearable, device_payload(device))


def _is_played_on(wearable: str, device: str | None, row: SessionRow) -> bool:
    """Return whether a session is a wearable's, also one that it played under another name."""
    return row.wearable == wearable or row.key.device == device


def _is_of_person(person: str, row: SessionRow) -> bool:
    return row.person == person and not row.is_simulated
