# SPDX-License-Identifier: MIT
"""Playing one cue, and lessons, quizzes and measurements of strength, whoever asks.

Who asked is told what the wearable does; the answers come by an operation of their own, because
they are given while the other one goes on.  What it came to is kept in the history.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenuto.cues.lint import nearest_pairs
from tenuto.cues.measuring import AskedQuiz, AskedStrength, Lesson
from tenuto.cues.quiz import CORE, scan_window_ms
from tenuto.cues.results import ANSWERED_BY, CONDITIONS, CUES_ASKED_MAX
from tenuto.cues.trials import TRIALS_MAX, cue_plan
from tenuto.errors import InputError, RefusedError
from tenuto.history.cue_results import CueResult, new_id
from tenuto.routines.adjust import adjust_vocabulary
from tenuto.routines.feel import fit
from tenuto.toml.rules import Choice, ListOf, Text, Whole
from tenuto.toml.tables import key
from tenuto.wearables import registry
from tenuto_core.vocab import CUES

from .play import Ended, Run, run, supervisor_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from tenuto.cues.measuring import Measuring
    from tenuto.links.scan import Found
    from tenuto.routines.compile import CompiledPlan
    from tenuto.routines.haptics import Vocabulary
    from tenuto.sessions.events import Entry
    from tenuto.simulator.perception import Volunteer
    from tenuto.wearables.supervisor import Supervisor

    from .build import Host
    from .operations import Person

SEED_MAX = 1 << 31
FELT_AFTER_MS = 400
"""When a simulated person presses who has felt a buzz."""
_WEARABLE = Text(64)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayCue:
    """Which cue to play, and where."""

    cue: str = key(Choice(CUES), "a cue's name")
    wearable: str | None = key(_WEARABLE, "a wearable's id, the first one without it", default=None)


async def play_cue(host: Host, asked: PlayCue, person: Person) -> Ended:
    """Play a cue as it is felt in a session: fitted to the motor, in the strength that is set.

    Raises:
        InputError: There is no such wearable, or the cue is silent there.
        LinkError: The wearable is out of reach.
        RefusedError: It plays a session, which goes on.
    """
    supervisor = supervisor_of(host, asked.wearable)
    felt = await _felt(host, supervisor.name)
    return await run(host, Run(wearable=supervisor.name, plan=cue_plan(felt, asked.cue)), person)


@dataclass(frozen=True, slots=True, kw_only=True)
class Learn:
    """What a lesson is about."""

    wearable: str | None = key(_WEARABLE, "a wearable's id, the first one without it", default=None)
    cues: tuple[str, ...] = key(ListOf(Choice(CUES), CUES_ASKED_MAX), "the cues", default=CORE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure(Learn):
    """What a quiz is about, and how it is answered."""

    trials: int | None = key(Whole(2, TRIALS_MAX), "how many cues, ten of each", default=None)
    condition: str = key(Choice(CONDITIONS), "what the person does", default=CONDITIONS[0])
    answered_by: str = key(Choice(ANSWERED_BY), "how it is answered", default=ANSWERED_BY[0])
    simulated_person: int | None = key(Whole(0, SEED_MAX), "who answers", default=None)
    seed: int | None = key(Whole(0, SEED_MAX), "of the chance in it", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureStrength:
    """How a measurement of strength is answered."""

    wearable: str | None = key(_WEARABLE, "a wearable's id, the first one without it", default=None)
    answered_by: str = key(Choice(ANSWERED_BY), "how it is answered", default=ANSWERED_BY[0])
    simulated_person: int | None = key(Whole(0, SEED_MAX), "who answers", default=None)
    seed: int | None = key(Whole(0, SEED_MAX), "of the chance in it", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerCue:
    """An answer: the place of a choice, from 0; a measurement of strength has only one."""

    wearable: str | None = key(_WEARABLE, "a wearable's id, the first one without it", default=None)
    number: int = key(Whole(0, CUES_ASKED_MAX - 1), "which choice", default=0)


@dataclass(frozen=True, slots=True)
class Answered:
    """Whether an answer counts: it is the first one to a cue, and in time."""

    counts: bool


@dataclass(frozen=True, slots=True)
class Measured:
    """What it came to.

    Attributes:
        reason: How it ended, as in `Ended`.
        result_id: Under which it is kept, None where nothing is.
        kind: See `tenuto.cues.results`.
        data: Likewise.
    """

    reason: str
    result_id: str | None = None
    kind: str = ""
    data: dict[str, Any] | None = None


async def learn_cues(host: Host, asked: Learn, person: Person) -> Measured:
    """Teach cues: each comes three times with its name, then the most alike in turn.

    Raises:
        TenutoError: As `play_cue`.
    """
    supervisor = supervisor_of(host, asked.wearable)
    felt = await _felt(host, supervisor.name)
    feel = registry.feel(host.config.wearable(supervisor.name))
    cues = tuple(dict.fromkeys(asked.cues)) or CORE
    pairs = [(one, other) for _, one, other in nearest_pairs(host.library.vocabulary(), feel)]
    return await _measure(host, supervisor, Lesson(cues, felt, pairs), person)


async def measure_cues(host: Host, asked: Measure, person: Person) -> Measured:
    """Ask which cue it was, again and again.

    Raises:
        InputError: As `play_cue`, or there are too few or too many cues.
        LinkError, RefusedError: As `play_cue`.
    """
    supervisor = supervisor_of(host, asked.wearable)
    cues = tuple(dict.fromkeys(asked.cues)) or CORE
    if len(cues) < 2:
        raise InputError("the quiz has one cue, two or more are needed")
    count = 10 * len(cues) if asked.trials is None else asked.trials
    by_button = asked.answered_by == "button"
    most = TRIALS_MAX // 2 if by_button else TRIALS_MAX
    if not len(cues) <= count <= most:
        raise InputError(f"the quiz has {count} trials, allowed is {len(cues)} to {most}")
    volunteer = _volunteer(asked.simulated_person, asked.condition)
    quiz = AskedQuiz(
        cues,
        await _felt(host, supervisor.name),
        count,
        random.Random(asked.seed),  # noqa: S311 - nobody has to be kept from guessing it
        condition=asked.condition,
        by_button=by_button,
        truth=None if volunteer is None else volunteer.person.parameters(),
    )
    answers = None if volunteer is None else _QuizAnswers(host, supervisor, quiz, volunteer)
    return await _measure(host, supervisor, quiz, person, answers)


async def measure_strength(host: Host, asked: MeasureStrength, person: Person) -> Measured:
    """Ask whether a buzz was felt, again and again.

    Raises:
        InputError: As `play_cue`, or the motor has one strength.
        LinkError, RefusedError: As `play_cue`.
    """
    supervisor = supervisor_of(host, asked.wearable)
    feel = registry.feel(host.config.wearable(supervisor.name))
    if feel is not None and feel.strengths == 1:
        raise InputError(f"a {feel.title} has one strength: there is nothing to measure")
    volunteer = _volunteer(asked.simulated_person)
    strength = AskedStrength(
        random.Random(asked.seed),  # noqa: S311 - nobody has to be kept from guessing it
        by_button=asked.answered_by == "button",
        truth=None if volunteer is None else volunteer.person.parameters(),
    )
    answers = None if volunteer is None else _StrengthAnswers(host, supervisor, strength, volunteer)
    return await _measure(host, supervisor, strength, person, answers)


async def answer_cue(host: Host, asked: AnswerCue, _person: Person) -> Answered:
    """Take in an answer to what goes on at a wearable.

    Raises:
        InputError: Nothing is asked there.
    """
    name = supervisor_of(host, asked.wearable).name
    if name not in host.measurings:
        raise InputError(f"nothing is asked about cues at {name}")
    return Answered(host.measurings[name].answer(asked.number, round(host.time.utc_ms())))


# --- how it goes on


async def _felt(host: Host, wearable: str) -> Vocabulary:
    """Return the vocabulary as it is felt on a wearable, in the strength that is set."""

    def read() -> Vocabulary:
        liked = host.settings.preferences(wearable).adjustment
        vocabulary = adjust_vocabulary(host.library.vocabulary(), liked)
        feel = registry.feel(host.config.wearable(wearable))
        return vocabulary if feel is None else fit(vocabulary, feel)

    return await host.files.read(read)


def _volunteer(seed: int | None, condition: str = CONDITIONS[0]) -> Volunteer | None:
    if seed is None:
        return None
    from tenuto.simulator.perception import Volunteer  # noqa: PLC0415 - few need it

    return Volunteer(seed, condition)


class _Listening:
    """Stands between the wearable and who asked, so that what is measured hears what happens."""

    def __init__(
        self, person: Person, measuring: Measuring, answers: _QuizAnswers | _StrengthAnswers | None
    ) -> None:
        self.gone: asyncio.Event = person.gone
        self._person = person
        self._measuring = measuring
        self._answers = answers

    def show(self, text: str) -> None:
        """Show them a line."""
        self._person.show(text)

    async def ask(self, text: str) -> str:
        """Ask them something."""
        return await self._person.ask(text)

    async def tell(self, items: Sequence[Entry] | Sequence[Found]) -> None:
        """Take in what happens, and pass it on."""
        for item in items:
            cue = self._measuring.take(item)  # type: ignore[arg-type]  # a run tells entries
            if cue is not None and self._answers is not None:
                self._answers.hear(cue, item)  # type: ignore[arg-type]  # likewise
        await self._person.tell(items)


class _Answers:
    """A simulated person at the keys, or at the button of a simulated wearable."""

    def __init__(self, host: Host, supervisor: Supervisor, volunteer: Volunteer) -> None:
        self._button = host.drivers.simulated_button(supervisor.name)
        self._volunteer = volunteer
        self._name = supervisor.name

    def _press(self, after_ms: int) -> None:
        if self._button is None:
            raise InputError(f"{self._name} has no button that could be simulated")
        self._button.press(80, after_ms=after_ms)


class _QuizAnswers(_Answers):
    def __init__(
        self, host: Host, supervisor: Supervisor, quiz: AskedQuiz, volunteer: Volunteer
    ) -> None:
        super().__init__(host, supervisor, volunteer)
        self._quiz = quiz

    def hear(self, cue: str, entry: Entry) -> None:
        """Answer a cue."""
        quiz = self._quiz
        answer, took_ms = self._volunteer.answer(cue, quiz.felt)
        if answer is None:
            return
        number = quiz.choices.index(answer)
        if quiz.by_button:
            from_ms, until_ms = scan_window_ms(number)
            self._press((from_ms + until_ms) // 2)
        else:
            quiz.answer(number, entry.utc_ms + took_ms)


class _StrengthAnswers(_Answers):
    def __init__(
        self, host: Host, supervisor: Supervisor, strength: AskedStrength, volunteer: Volunteer
    ) -> None:
        super().__init__(host, supervisor, volunteer)
        self._strength = strength

    def hear(self, _cue: str, entry: Entry) -> None:
        """Press if something is felt."""
        if not self._volunteer.presses(self._strength.strength_pct):
            return
        if self._strength.by_button:
            self._press(FELT_AFTER_MS)
        else:
            self._strength.answer(0, entry.utc_ms)


async def _measure(
    host: Host,
    supervisor: Supervisor,
    measuring: Measuring,
    person: Person,
    answers: _QuizAnswers | _StrengthAnswers | None = None,
) -> Measured:
    """Play what a measurement needs, and keep what it comes to."""
    name = supervisor.name
    if name in host.measurings:
        raise RefusedError("already_playing", f"{name} is asked about cues already")
    host.measurings[name] = measuring
    reason = ""
    try:
        for plan in measuring.plans():
            reason = await _play(host, name, plan, _Listening(person, measuring, answers))
            if reason != "finished":
                break
    finally:
        del host.measurings[name]
    result = measuring.result()
    if result is None:
        return Measured(reason)
    is_simulated = answers is not None
    kept = CueResult(
        result_id=new_id(),
        person=None if is_simulated else supervisor.person,
        device=supervisor.device or "",
        wearable=name,
        is_simulated=is_simulated or supervisor.log.is_simulated,
        utc_ms=round(host.time.utc_ms()),
        result=result,
    )
    await host.store.cue_results.add(kept)
    return Measured(reason, kept.result_id, result.kind, result.to_json())


async def _play(host: Host, name: str, plan: CompiledPlan, person: _Listening) -> str:
    return (await run(host, Run(wearable=name, plan=plan), person)).reason
