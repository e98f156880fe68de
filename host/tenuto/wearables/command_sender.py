# SPDX-License-Identifier: MIT
"""Sends one wearable what is asked of it; a stop or a pause also later, if it is out of reach."""

from __future__ import annotations

import asyncio
import logging
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from tenuto.errors import LinkError, LinkReason, RefusedError, StoreError
from tenuto.event_loops import real_s
from tenuto.sessions.commands import Verb
from tenuto_core.device_requests import NO_PLAN_ID
from tenuto_core.player import ARMED, STATES

from .plan_finder import STORE_TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from tenuto.routines.compile import CompiledPlan
    from tenuto.sessions.events import SessionKey

    from .base import Driver, Identity
    from .log_reader import LogReader
    from .surroundings import History

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

DELIVER_WITHIN_S = 120.0
"""How long a stop or a pause waits for a wearable that is out of reach."""
PROBES_START = 32
"""Questions for the clock before a start at a moment."""
PROBES_START_S, START_MARGIN_S = 4.0, 1.0
"""They take no longer than this, and end so long before the start, which has to be told in time."""
WORTH_MS, AGAIN_S = 2, 3.0
"""A plan is made anew where its end is off by so much, and so long is left."""
_OTHER_PLAN, _OTHER_VERB = 1, 2
"""What sets the id of a second try apart from that of the first."""
_MEANT_OTHERWISE = {"already_paused": Verb.RESUME, "not_paused": Verb.PAUSE}
"""What a toggle means after this refusal."""


@dataclass(frozen=True, slots=True)
class _Undelivered:
    """A stop or a pause that waits for the link."""

    verb: Verb
    session: SessionKey
    command_id: int | None


async def _insist(ask: Callable[[], Awaitable[_T]]) -> _T:
    """Ask once more where no answer came: to give up on a session that began would be worse."""
    try:
        return await ask()
    except LinkError as error:
        if error.reason is not LinkReason.TIMEOUT:
            raise
    return await ask()


class CommandSender:
    """What may be asked of one wearable.

    Args:
        name: The wearable's.
        driver: Sends what is asked.
        log: Knows the session that plays, and the plans.
        history: Keeps what a routine says of its exercises.
        reached: Returns the wearable that was reached, and raises LinkError while it is out of
            reach.
    """

    def __init__(
        self,
        name: str,
        driver: Driver,
        log: LogReader,
        history: History,
        reached: Callable[[], Identity],
    ) -> None:
        self._name = name
        self._driver = driver
        self._log = log
        self._history = history
        self._reached = reached
        self._toggled: tuple[int, Verb] | None = None
        self._undelivered: _Undelivered | None = None
        self._no_room: frozenset[bytes] = frozenset()
        self._no_room_boot: int | None = None

    async def start(self, compiled: CompiledPlan, command_id: int | None = None) -> SessionKey:
        """Upload a plan and begin it.

        Args:
            compiled: The plan.
            command_id: See `Driver.command`.

        Returns:
            The session that it became.

        Raises:
            LinkError: The wearable is out of reach.
            RefusedError: It plays already, or does not take the plan.
        """
        identity, compiled = await self._hand_over(compiled)
        if command_id is None:
            command_id = secrets.randbits(32)
        await _insist(
            lambda: self._driver.command(Verb.START, compiled.plan_id, command_id=command_id)
        )
        status = await _insist(self._driver.status)
        if status.session is None:
            raise RefusedError("not_playing", f"{self._name} did not begin")
        await self._describe(compiled)
        return identity.session(status.session)

    async def start_at(
        self, make: Callable[[float], CompiledPlan], at_ms: float
    ) -> tuple[CompiledPlan, bool]:
        """Upload a plan and have the wearable begin it at a moment, by its own clock.

        Args:
            make: Returns the plan for a clock that runs faster by so many ppm.
            at_ms: The moment, on the loop's clock.

        Returns:
            The plan as it was made, and whether it is certain that the wearable begins it; if not,
            no answer came.

        Raises:
            LinkError: The wearable is out of reach, and does not begin it.
            RefusedError: It plays already, the moment is over, or it does not take the plan.
        """
        self._reached()
        status = await self._driver.status()
        if status.state == STATES[ARMED]:
            # What it was set to begin before has had its day.
            await self._driver.command(Verb.STOP, status.plan_id or NO_PLAN_ID)
        compiled = make(self._log.clock.skew.ppm)
        _, sent = await self._hand_over(compiled)
        # The upload has made the link fast, so now its clock is told best, and also its pace: since
        # the class before, which was an hour ago, say.
        loop = asyncio.get_running_loop()
        until_s = min(loop.time() + PROBES_START_S, at_ms / 1000 - START_MARGIN_S)
        await self._log.clock.probe(PROBES_START, until_s)
        better = make(self._log.clock.skew.ppm)
        off_ms = abs(better.plan.duration_ms - compiled.plan.duration_ms)
        if off_ms >= WORTH_MS and loop.time() + AGAIN_S < at_ms / 1000:
            _, sent = await self._hand_over(better)
        device_ms = self._log.clock.device_ms(at_ms)
        command_id = secrets.randbits(32)
        try:
            await _insist(
                lambda: self._driver.start_at(sent.plan_id, device_ms, command_id=command_id)
            )
        except LinkError as error:
            _log.info("wearable=%s %s", self._name, error)
            return sent, False
        await self._describe(sent)
        return sent, True

    async def _hand_over(self, compiled: CompiledPlan) -> tuple[Identity, CompiledPlan]:
        """Upload a plan as the wearable can play it."""
        identity = self._reached()
        compiled = compiled.for_device(identity.plan_version, open_holds=identity.open_holds)
        self._log.plans.remember(compiled.plan_id, compiled.plan)
        await self._driver.upload(compiled.plan_id, compiled.data)
        self._log.plans.present_id = compiled.plan_id
        return identity, compiled

    async def keep(self, plans: Sequence[CompiledPlan]) -> int:
        """Put plans onto the wearable that it does not keep yet, and have the first ready there.

        Where one had to be put, the first is what a press starts afterwards.

        Args:
            plans: At most as many as it has places for.

        Returns:
            How many were put there.

        Raises:
            LinkError: It is out of reach.
            RefusedError: It plays, or does not take one of them.
        """
        identity = self._reached()
        fitting = [
            one.for_device(identity.plan_version, open_holds=identity.open_holds) for one in plans
        ]
        if self._no_room_boot != identity.boot_id:
            self._no_room_boot, self._no_room = identity.boot_id, frozenset()
        there = self._no_room.union(one.plan_id for one in await self._driver.kept_plans())
        missing = [one for one in fitting if one.plan_id not in there]
        for compiled in reversed(missing):
            self._log.plans.remember(compiled.plan_id, compiled.plan)
            await self._driver.upload(compiled.plan_id, compiled.data)
            await self._describe(compiled)
        if missing and missing[0] is not fitting[0]:
            await self._driver.upload(fitting[0].plan_id, fitting[0].data)
        if missing:
            # Where its memory has no room for one, it is not sent again and again.
            kept = {one.plan_id for one in await self._driver.kept_plans()}
            self._no_room |= {one.plan_id for one in missing} - kept
        return len(missing)

    async def _describe(self, compiled: CompiledPlan) -> None:
        """Keep what the routine says of its exercises; the session does not wait for it."""
        routine = compiled.routine
        if routine is None:
            return
        try:
            async with asyncio.timeout(real_s(STORE_TIMEOUT_S)):
                await self._history.describe(compiled.plan_id_hex, routine.shown_exercises)
        except (StoreError, TimeoutError) as error:
            _log.warning("wearable=%s %s", self._name, error)

    async def command(self, verb: Verb, arg: int = 0, command_id: int | None = None) -> None:
        """Have the wearable obey a command for what it plays now, at once and in one packet.

        A stop or a pause that cannot be delivered is kept for `DELIVER_WITHIN_S`, for the case
        that the wearable comes back and still plays the same session; whatever is asked after it
        takes its place.

        Args:
            verb: What to do.
            arg: See `Driver.command`.
            command_id: likewise.

        Raises:
            LinkError: It is out of reach.
            RefusedError: With its reason; nothing changed.
        """
        self._undelivered = None
        if command_id is None:
            command_id = secrets.randbits(32)
        try:
            self._reached()
            await self._send(verb, arg, command_id)
        except LinkError as error:
            tracker = self._log.tracker
            if verb not in (Verb.STOP, Verb.PAUSE) or tracker is None or tracker.ended:
                raise
            waits = _Undelivered(verb, tracker.key, command_id)
            self._undelivered = waits
            asyncio.get_running_loop().call_later(DELIVER_WITHIN_S, self._give_up, waits)
            raise LinkError(
                error.reason,
                f"{error}; the {verb.value} is delivered if {self._name} is back within "
                f"{DELIVER_WITHIN_S:.0f} s and still plays this session",
            ) from error

    async def _send(self, verb: Verb, arg: int, command_id: int) -> None:
        """Send a command for the plan that the wearable is known to have; ask only if it differs.

        The second try needs an id of its own, since the wearable repeats its answer to the first
        one. It is derived from the first, so that a command that is repeated is obeyed once.
        """
        plans = self._log.plans
        try:
            await self._driver.command(verb, plans.present_id, arg, command_id)
        except RefusedError as error:
            if error.reason != "wrong_plan":
                raise
            status = await self._driver.status()
            plans.present_id = status.plan_id or NO_PLAN_ID
            await self._driver.command(verb, plans.present_id, arg, command_id ^ _OTHER_PLAN)

    async def deliver(self) -> None:
        """Deliver what waited for the link, or log why not.

        Raises:
            LinkError: The link is lost again.
        """
        waited = self._undelivered
        if waited is None:
            return
        identity, status = self._reached(), await self._driver.status()
        same = identity.session(status.session or 0) == waited.session
        try:
            if status.plan_id is None or not status.playing or not same:
                raise RefusedError("not_playing", "it no longer plays that session")
            await self._driver.command(waited.verb, status.plan_id, 0, waited.command_id)
            _log.info("wearable=%s delivered=%s", self._name, waited.verb)
        except RefusedError as error:
            _log.warning("wearable=%s dropped=%s %s", self._name, waited.verb, error)
        self._undelivered = None

    def _give_up(self, waits: _Undelivered) -> None:
        if self._undelivered is waits:
            self._undelivered = None
            _log.warning("wearable=%s dropped=%s it did not come back", self._name, waits.verb)

    async def alert(self) -> None:
        """Have the wearable felt, so that it is found.

        Raises:
            LinkError: It is out of reach.
            RefusedError: It cannot do that, or a session plays.
        """
        self._reached()
        if self._log.playing:
            raise RefusedError("busy", f"{self._name} plays a session, so it is being felt already")
        await self._driver.alert()

    async def toggle(self, command_id: int | None = None) -> Verb:
        """Pause what plays or resume what is paused, as the log tells it.

        Where the log is behind, the wearable refuses, and the other one is meant.

        Returns:
            The command that was sent.

        Raises:
            LinkError: It is out of reach.
            RefusedError: It plays nothing.
        """
        self._reached()
        if command_id is None:
            command_id = secrets.randbits(32)
        if self._toggled is None or self._toggled[0] != command_id:
            paused = self._log.tracker is not None and self._log.tracker.paused
            self._toggled = command_id, Verb.RESUME if paused else Verb.PAUSE
        verb = self._toggled[1]
        try:
            await self.command(verb, command_id=command_id)
        except RefusedError as error:
            if error.reason not in _MEANT_OTHERWISE:
                raise
            verb = _MEANT_OTHERWISE[error.reason]
            await self.command(verb, command_id=command_id ^ _OTHER_VERB)
        return verb

    async def present_session(self) -> SessionKey | None:
        """Return the session that it plays now, None if it plays none.

        Raises:
            LinkError: It is out of reach.
        """
        identity = self._reached()
        status = await self._driver.status()
        if not status.playing or status.session is None:
            return None
        return identity.session(status.session)
