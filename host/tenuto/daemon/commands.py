# SPDX-License-Identifier: MIT
"""Requests for wearables, whoever makes them: each once, within one deadline, and answered."""

from __future__ import annotations

import asyncio
import logging
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from tenuto.errors import InputError, LinkError, RefusedError, TenutoError
from tenuto.event_loops import real_s
from tenuto.sessions.admission import Admission, Ticket
from tenuto.sessions.commands import (
    CLASS,
    EXTEND_MS_MAX,
    Answer,
    ClassCommand,
    Command,
    Preference,
    Unreadable,
    Verb,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from tenuto.routines.compile import CompiledPlan
    from tenuto.sessions.admission import Request
    from tenuto.state.settings import SettingsStore
    from tenuto.wearables.supervisor import Supervisor

    from .classes import Classes
    from .hub import Hub

_log = logging.getLogger(__name__)

DEADLINE_S = 20.0
"""Longer than an upload over a slow link with its repetitions."""
MQTT = "mqtt"
"""The origin of requests by the broker, where anyone may ask."""
NO_CLASS = "there can be no class here"


class Requests:
    """Carries requests out and answers each of them; see `Admission`.

    Args:
        carry_out: Does what is asked, by the number that tells repeats from new requests. Returns
            what to say about it.
        carry_out_for_class: Does what is asked of a class, None where there can be none.
        deadline_s: After that a request is answered as `unreachable`, and may still take effect.
    """

    def __init__(
        self,
        carry_out: Callable[[Command | Preference, int], Awaitable[str]],
        *,
        carry_out_for_class: Callable[[ClassCommand], Awaitable[str]] | None = None,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._carry_out = carry_out
        self._carry_out_for_class = carry_out_for_class
        self._deadline_s = deadline_s
        self._admission = Admission(lambda: secrets.randbits(32), limited=(MQTT,))
        self._outcomes: dict[Ticket, asyncio.Future[Answer]] = {}

    async def submit(self, asked: Request, origin: str = "") -> Answer:
        """Carry out a request, or answer it as it was answered; never raises for what it asks."""
        loop = asyncio.get_running_loop()
        while True:
            ticket = self._admission.enter(asked, origin, loop.time())
            if isinstance(ticket, Answer):
                return ticket
            outcome = self._outcomes.get(ticket)
            if outcome is None:
                break
            await asyncio.wait({outcome})
            if not outcome.cancelled():
                answer = outcome.result()
                self._admission.keep(asked, answer)
                return replace(answer, id=_id(asked))
        outcome = self._outcomes[ticket] = loop.create_future()
        answered: Answer | None = None
        try:
            answered = await self._answer(asked, ticket.command_id)
        finally:
            del self._outcomes[ticket]
            self._admission.leave(ticket, asked, origin, answered)
            if answered is None:
                outcome.cancel()  # those that wait for it try it themselves
            else:
                outcome.set_result(answered)
        return answered

    async def _answer(self, asked: Request, command_id: int) -> Answer:
        assert not isinstance(asked, Unreadable)  # noqa: S101 - they are answered at once
        ok, reason = False, "failed"
        try:
            async with asyncio.timeout(real_s(self._deadline_s)):
                text = await self._done(asked, command_id)
            ok, reason = True, "ok"
        except TimeoutError:
            reason = "unreachable"
            text = f"no answer within {self._deadline_s:g} s; it may still take effect"
        except TenutoError as error:
            reason, text = _reason(error, asked), str(error)
        except Exception:  # noqa: BLE001 - whoever asked must get an answer
            _log.exception("wearable=%s a fault of Tenuto's own", asked.wearable)
            text = "this failed inside Tenuto; its log says where"
        what = f"{asked.name}/set" if isinstance(asked, Preference) else asked.verb
        _log.info("wearable=%s command=%s answer=%s", asked.wearable, what, reason)
        return Answer(ok=ok, reason=reason, text=text, id=_id(asked))

    async def _done(self, asked: Command | ClassCommand | Preference, command_id: int) -> str:
        if not isinstance(asked, ClassCommand):
            return await self._carry_out(asked, command_id)
        if self._carry_out_for_class is None:
            raise RefusedError("failed", NO_CLASS)
        return await self._carry_out_for_class(asked)


def _id(asked: Request) -> str | None:
    return asked.id if isinstance(asked, Command | ClassCommand) else None


def _reason(error: TenutoError, asked: Command | ClassCommand | Preference) -> str:
    match error:
        case RefusedError():
            return error.reason
        case LinkError():
            return "unreachable"
        case InputError() if isinstance(asked, Preference):
            return "bad_request"
        case InputError():
            return "unknown_routine"
    return "failed"


async def _toggle(supervisor: Supervisor, asked: Command, command_id: int) -> Verb:
    """Pause or resume; what was asked long ago may halt a session, and sets none going."""
    if not asked.is_late:
        return await supervisor.toggle(command_id)
    try:
        await supervisor.command(Verb.PAUSE, 0, command_id)
    except RefusedError as error:
        if error.reason != "already_paused":
            raise
        raise RefusedError("too_old", asked.too_late) from None
    return Verb.PAUSE


class Commands:
    """The commands for the wearables of a hub.

    Args:
        hub: Has their supervisors.
        compile_routine: Returns the plan of a routine by its name, None for the default of this
            wearable; raises InputError.
        settings: Where what is set for a wearable is kept, None where nothing can be set.
        on_settings: Told the wearable for which something was set.
        classes: Carries out what is asked of a class, None where there can be none.
    """

    def __init__(
        self,
        hub: Hub,
        compile_routine: Callable[[str, str | None], Awaitable[CompiledPlan]],
        settings: SettingsStore | None = None,
        on_settings: Callable[[str], None] = lambda _wearable: None,
        classes: Classes | None = None,
    ) -> None:
        self.hub = hub
        self._compile = compile_routine
        self._settings = settings
        self._on_settings = on_settings
        self.classes = classes
        self.submit = Requests(
            self.carry_out, carry_out_for_class=None if classes is None else classes.carry_out
        ).submit

    @property
    def supervisors(self) -> Mapping[str, Supervisor]:
        """The supervisors by the names of their wearables."""
        return self.hub.supervisors

    async def carry_out(self, asked: Command | Preference, command_id: int) -> str:
        """Do what is asked.

        Returns:
            What to say about it.

        Raises:
            InputError: A routine cannot be played, or nothing can be set to this.
            LinkError: The wearable is out of reach.
            RefusedError: With the reason; nothing changed.
        """
        if isinstance(asked, Preference) and asked.wearable == CLASS:
            return await self._prefer(asked)
        supervisor = self.hub.supervisors.get(asked.wearable)
        if supervisor is None:
            known = ", ".join(self.hub.supervisors)
            raise RefusedError(
                "unknown_wearable", f"there is no wearable {asked.wearable!r}, known: {known}"
            )
        if isinstance(asked, Preference):
            return await self._prefer(asked)
        verb, by_ms = asked.verb, 0
        if verb is Verb.START:
            compiled = await self._compile(asked.wearable, asked.routine)
            await supervisor.start(compiled, command_id)
            return f"{compiled.plan.name} begins on {supervisor.name}"
        if verb is Verb.FIND:
            await supervisor.alert()
            return f"{supervisor.name} can be felt now; a press on it ends that"
        if verb is Verb.TOGGLE:
            return f"{supervisor.name}: {await _toggle(supervisor, asked, command_id)}"
        if verb is Verb.EXTEND:
            by_ms = asked.by_ms
            if not 1 <= by_ms <= EXTEND_MS_MAX:
                limit_s = EXTEND_MS_MAX // 1000
                raise RefusedError(
                    "out_of_range", f"a hold is extended by up to {limit_s} s at once"
                )
        await supervisor.command(verb, by_ms, command_id)
        return f"{supervisor.name}: {verb.value}"

    async def _prefer(self, asked: Preference) -> str:
        settings, wearable = self._settings, asked.wearable
        if settings is None:
            raise RefusedError("failed", f"{asked.name} cannot be set here")
        kept = asked
        if asked.name == "routine":
            kept = replace(asked, value=await self._routine_name(wearable, str(asked.value)))
        elif wearable == CLASS:
            raise InputError(f"{asked.name} is set for each wearable by itself, not for a class")
        await settings.prefer(wearable, settings.preferences(wearable).having(kept))
        self._on_settings(wearable)
        return f"{asked.name} is {asked.value} from the next start on"

    async def _routine_name(self, wearable: str, word: str) -> str:
        """Return the name of a routine that can be played there, by its name or its title.

        Raises:
            InputError: There is no such routine, or it cannot be played there.
            RefusedError: There can be no class here.
        """
        if wearable != CLASS:
            compiled = await self._compile(wearable, word)
        elif self.classes is not None:
            compiled = await self.classes.checked(word)
        else:
            raise RefusedError("failed", NO_CLASS)
        return word if compiled.routine is None else compiled.routine.name
