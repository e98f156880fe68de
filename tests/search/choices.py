# SPDX-License-Identifier: MIT
"""Choices of a world that is played again and again, and the search through all of them.

A world asks `Choices.choose` wherever something may go wrong. The first of the options is what
happens if all is well. Whatever is chosen once in a while is drawn on a budget, so that the tree is
finite: once the budget of a kind is spent, nothing of that kind goes wrong any more.

The search goes depth first by playing anew from the beginning: no state is put back, so what is
searched is the real code. There is no hash of states to leave out repeats either: half of the state
stands in suspended coroutines, and a hash of less than all of it would leave out what is new.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Mapping, Sequence

MESSAGE, CRASH = "message", "crash"
BUDGET = {MESSAGE: 1, CRASH: 1}


@dataclass(frozen=True, slots=True)
class Deviation:
    """One thing that goes wrong.

    Attributes:
        where: At which point.
        nth: At the how manyth of this name, from 1.
        what: Which of its options.
    """

    where: str
    nth: int
    what: str

    def __str__(self) -> str:
        return f"{self.where!r}, {self.nth}, {self.what!r}"


@dataclass
class Choices:
    """The choices of one world.

    Args:
        script: What goes wrong, by name; what else would, does not.
        path: What is chosen, by number, from the first point on; the first option afterwards.
        rng: Draws what `path` does not say, one point in `rarity`; None to draw nothing.

    Attributes:
        made: The number chosen and how many options there were, for each point.
        happened: What went wrong.
    """

    script: Sequence[Deviation] = ()
    path: Sequence[int] = ()
    rng: random.Random | None = None
    rarity: int = 100
    budget: Mapping[str, int] = field(default_factory=lambda: BUDGET)
    made: list[tuple[int, int]] = field(default_factory=list)
    happened: list[Deviation] = field(default_factory=list)
    is_open: bool = False

    def __post_init__(self) -> None:
        self._left = dict(self.budget)
        self._met: Counter[tuple[str, str]] = Counter()

    def choose(self, kind: str, where: str, options: Sequence[str]) -> str:
        """Return what happens at this point.

        Args:
            kind: On whose budget; a point without budget left, or in a world whose choices are not
                open, is none.
            where: Its name.
            options: The first is that all is well.
        """
        if not self.is_open or not self._left[kind]:
            return options[0]
        self._met[kind, where] += 1
        nth = self._met[kind, where]
        number = self._number(where, nth, options)
        self.made.append((number, len(options)))
        if number:
            self._left[kind] -= 1
            self.happened.append(Deviation(where, nth, options[number]))
        return options[number]

    def _number(self, where: str, nth: int, options: Sequence[str]) -> int:
        at = len(self.made)
        if at < len(self.path):
            return self.path[at]
        for wrong in self.script:
            if (wrong.where, wrong.nth) == (where, nth) and wrong.what in options[1:]:
                return options.index(wrong.what)
        if self.rng is not None and self.rng.randrange(self.rarity) == 0:
            return self.rng.randrange(1, len(options))
        return 0


def following(made: Sequence[tuple[int, int]], fixed: int) -> list[int] | None:
    """Return the path of the next world in depth first order, None after the last.

    Args:
        made: Of the world before.
        fixed: So many choices at the beginning stay.
    """
    for at in range(len(made) - 1, fixed - 1, -1):
        number, options = made[at]
        if number + 1 < options:
            return [*(chosen for chosen, _ in made[:at]), number + 1]
    return None


def branches(made: Sequence[tuple[int, int]]) -> Iterator[list[int]]:
    """Yield the paths that leave a world in which nothing goes wrong, by one deviation each.

    The trees below them, with the world itself, are the whole tree.
    """
    for at, (_, options) in enumerate(made):
        for number in range(1, options):
            yield [0] * at + [number]
