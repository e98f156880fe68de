# SPDX-License-Identifier: MIT
"""The lease of a wearable: which of several hosts connects to it, one at a time.  Pure.

Theory of operation
-------------------
A claim has a number, a random id and a beat, and all hosts compare claims by these three, in this
order. Every host keeps the highest claim that it has heard, so in the end all of them agree,
however messages were delayed, doubled or reordered.

- A host claims the lease with a number higher than any that it knows, when no other host has it:
  when nobody has claimed it, when it was given up, or when its holder has not renewed it in
  `LASTS_S`. The time is measured from when the claim was heard, by the clock of each host alone,
  so it does not matter how the clocks are set.
- It has the lease when its own claim comes back from the broker. If two hosts claim the same
  number, the higher id wins, and the other host lets go as soon as it hears of it. The ids of hosts
  that are linked are higher than all others: after an outage of the broker all claim at once.
- The holder renews its claim each `RENEW_S`, with the next beat, and gives it up by the use `FREE`.
- A host whose user wants the wearable asks for it: it claims a higher number although another host
  has the lease. An asking host claims once, so two of them do not go on taking it from each other.
- No host comes to `TOO_HIGH` by itself: such a number is a fault, or somebody's mischief. Once a
  claim with it has ended or was given up, any other one counts more, and hosts begin again with 1.
- A claim with a lower number changes nothing. Where it overwrote the retained message, the holder
  publishes its own claim again; without a holder, whoever knows a higher claim does.
- A host that was started anew, and has not heard what its process before had claimed, is told so
  by whoever has, and claims a higher number.
- A host that knows of a holder claims a higher number than the holder's. So one that claims the
  same number does not know, and a holder that is linked claims a higher one.

The lease only saves attempts: what plays is decided by the wearable. So a host without a broker, or
with one that does not give its claims back, connects as if it were alone (after `BROKER_S` or
`ANSWER_S`). A host that is linked when the broker comes back claims the lease from one that only
tries, which cannot succeed.

The promise: of hosts that hear the broker, two have the lease for no longer than a message takes;
and one that waits for it has it within `LASTS_S`, and the time of a message, after its holder died.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LASTS_S = 20.0
"""A claim that is not renewed for so long has ended."""
RENEW_S = 5.0
ANSWER_S = 3.0
"""A broker that does not give back a claim for so long does not let it through."""
SETTLE_S = 1.0
"""After a subscription: until then what is retained has come."""
BROKER_S = 5.0
"""How long to wait for a broker that is away."""
NUMBER_MAX = 2**52
"""Of claims from outside."""
TOO_HIGH = NUMBER_MAX // 2
"""The numbers grow by one with each attempt to connect."""


class Use(StrEnum):
    """What the claimant does with the wearable."""

    FREE = "free"
    """Nothing any more."""
    TRYING = "trying"
    """It tries to connect."""
    LINKED = "linked"
    PLAYING = "playing"
    """It is linked, or plays for the wearable itself, and a session goes on."""


_IN_USE = (Use.LINKED, Use.PLAYING)


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim, as it is published.

    Attributes:
        number: From 1 on; the higher one counts.
        id: Hexadecimal, random but for its first digit, which tells whether the claimant was linked
            when it claimed; of the same number the higher one counts.
        beat: How often the claimant has published it before.
        host: What people call the claimant.
        use: What it does with the wearable.
    """

    number: int
    id: str
    beat: int
    host: str
    use: Use

    @property
    def order(self) -> tuple[int, str]:
        """What decides between claimants."""
        return self.number, self.id

    @property
    def version(self) -> tuple[int, str, int]:
        """What decides between messages."""
        return self.number, self.id, self.beat


class Lease:
    """The lease of one wearable, as one host knows it.

    Args:
        host: What people call this host.
        new_id: Returns random hexadecimal digits.
        now_s: The present, as in all methods, by a clock that nobody sets.

    Attributes:
        may_connect: Whether this host may connect, or stay connected.
        outgoing: Claims to be published, retained; whoever publishes them empties it.
    """

    def __init__(self, host: str, new_id: Callable[[], str], now_s: float) -> None:
        self.may_connect = False
        self.outgoing: list[Claim] = []
        self._host = host
        self._new_id = new_id
        self._use = Use.FREE
        self._mine: Claim | None = None
        self._own_id: str | None = None
        self._claimed_s = self._sent_s = -math.inf
        self._highest: Claim | None = None
        self._ends_s = -math.inf
        self._number = 0
        self._has_replaced = False
        self._has_broker = False
        self._settled_s = math.inf
        self._alone_s = now_s + BROKER_S

    # --- what is known

    @property
    def is_claimed(self) -> bool:
        """Whether this host has claimed the lease, and no other host since."""
        return self._mine is not None

    def holder(self, now_s: float) -> Claim | None:
        """Return the claim of the other host that has the lease, None where there is none."""
        claim = self._highest
        if claim is None or claim.use is Use.FREE or now_s >= self._ends_s:
            return None
        return None if claim.id == self._own_id else claim

    def is_free(self, now_s: float) -> bool:
        """Return whether `claim` has a chance."""
        return self._mine is not None or self.may_connect or now_s >= self._free_s(now_s)

    def next_s(self, now_s: float) -> float:
        """Return when `tick` has something to do, or `is_free` may change; infinity for never."""
        if self._mine is not None:
            renew_s = self._sent_s + RENEW_S
            return renew_s if self.may_connect else min(renew_s, self._claimed_s + ANSWER_S)
        if self.may_connect:
            return self._settled_s if self._has_broker else math.inf
        free_s = self._free_s(now_s)
        return free_s if free_s > now_s else math.inf

    def _free_s(self, now_s: float) -> float:
        since_s = self._settled_s if self._has_broker else self._alone_s
        return since_s if self.holder(now_s) is None else max(since_s, self._ends_s)

    # --- what this host does

    def claim(self, now_s: float) -> None:
        """Claim the lease, in order to connect; `may_connect` tells whether that has succeeded."""
        if self._mine is not None or self.may_connect:
            return
        if not self._has_broker:
            self._use, self.may_connect = Use.TRYING, True
        elif self.is_free(now_s):
            self._claim(now_s, Use.TRYING)

    def ask(self, now_s: float) -> None:
        """Claim the lease although another host has it."""
        if self._mine is None and not self.may_connect and self._has_broker:
            self._claim(now_s, Use.TRYING)

    def set_use(self, use: Use, now_s: float) -> None:
        """Say what this host does with the wearable; not `FREE`, for that see `release`."""
        if use is self._use or self._use is Use.FREE:
            return
        self._use = use
        if self._mine is not None:
            self._publish(now_s, use)

    def release(self, now_s: float) -> None:
        """Give the lease up, or the wish for it; nothing without one."""
        if self._mine is not None:
            self._publish(now_s, Use.FREE)
        self._mine, self._use, self.may_connect = None, Use.FREE, False

    # --- what happens

    def connect(self, now_s: float) -> None:
        """The broker is there, and what is retained comes."""
        self._has_broker, self._settled_s = True, now_s + SETTLE_S

    def disconnect(self, now_s: float) -> None:
        """The broker is away; what this host is connected to it stays connected to."""
        if self._has_broker:
            self._has_broker, self._mine = False, None
            # A claim that nobody has heard must not outdo those that are made after the outage.
            self._number = 0 if self._highest is None else self._highest.number
            self._alone_s = now_s + BROKER_S

    def hear(self, claim: Claim, now_s: float, *, retained: bool = False) -> None:
        """Take a claim that came from the broker, a host's own ones too.

        Args:
            claim: The claim.
            now_s: The present.
            retained: Whether it was published before this host subscribed.
        """
        highest = self._highest
        if self._is_to_begin_again(now_s):
            highest, self._number = None, 0
        if highest is None or claim.version > highest.version:
            self._highest, self._ends_s = claim, now_s + LASTS_S
            self._number = max(self._number, claim.number)
            if retained and claim.host == self._host and self._own_id is None:
                # Of this host's own process before this one, which is no more.
                self._ends_s = now_s
        mine = self._mine
        if mine is None:
            if highest is not None and claim.order < highest.order and self._has_broker:
                self._tell(highest, claim, now_s, retained=retained)
        elif claim.id == mine.id:
            self.may_connect = True
        elif claim.order < mine.order:
            self._publish(now_s, self._use)
        elif claim.use is Use.FREE or self._is_unaware(claim, mine):
            self._claim(now_s, self._use)
        elif claim.host == self._host and not self._has_replaced:
            self._has_replaced = True  # once, for two hosts may have been given one name
            self._claim(now_s, self._use)
        else:
            self._mine, self.may_connect = None, False

    def _is_unaware(self, claim: Claim, mine: Claim) -> bool:
        is_trying = claim.number == mine.number and claim.use is Use.TRYING
        return is_trying and self._use in _IN_USE

    def _tell(self, highest: Claim, claim: Claim, now_s: float, *, retained: bool) -> None:
        """Publish the highest claim for a claimant that does not know it, if nobody else does."""
        is_started_anew = claim.host == highest.host and not retained
        if is_started_anew or self.holder(now_s) is None:
            self.outgoing.append(highest)

    def tick(self, now_s: float) -> None:
        """Do what is due."""
        if self._mine is not None:
            if now_s >= self._claimed_s + ANSWER_S:
                self.may_connect = True
            if now_s >= self._sent_s + RENEW_S:
                self._publish(now_s, self._use)
        elif self.may_connect and self._has_broker and now_s >= self._settled_s:
            other = self.holder(now_s)
            if other is None or (self._use in _IN_USE and other.use is Use.TRYING):
                self._claim(now_s, self._use)
            else:
                self.may_connect = False

    # --- claims

    def _claim(self, now_s: float, use: Use) -> None:
        if self._is_to_begin_again(now_s) or self._number >= NUMBER_MAX:
            self._number = 0
        self._number += 1
        mark = "f" if use in _IN_USE else "0"
        self._own_id, self._use, self._claimed_s = mark + self._new_id()[1:], use, now_s
        self._mine = Claim(self._number, self._own_id, -1, self._host, use)
        self._publish(now_s, use)

    def _is_to_begin_again(self, now_s: float) -> bool:
        highest = self._highest
        is_too_high = highest is not None and highest.number >= TOO_HIGH
        return is_too_high and self.holder(now_s) is None

    def _publish(self, now_s: float, use: Use) -> None:
        assert self._mine is not None  # noqa: S101 - its callers have looked
        self._mine = replace(self._mine, beat=self._mine.beat + 1, use=use)
        self._sent_s = now_s
        self.outgoing.append(self._mine)
