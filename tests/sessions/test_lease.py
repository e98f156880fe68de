# SPDX-License-Identifier: MIT
"""The lease of a wearable among hosts whose messages are late, doubled, reordered or lost."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from itertools import count, pairwise

import pytest
from hypothesis import HealthCheck, note, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tenuto.sessions.lease import (
    ANSWER_S,
    BROKER_S,
    LASTS_S,
    NUMBER_MAX,
    RENEW_S,
    SETTLE_S,
    TOO_HIGH,
    Claim,
    Lease,
    Use,
)

MESSAGE_S = 0.8
"""The longest that a message takes from host to host, by way of the broker."""
STEP_S = 0.1
HOSTS = ("a", "b", "c")


@dataclass
class Message:
    """A claim on one of its two ways: to the broker, or from there to the host `to`."""

    due_s: float
    claim: Claim
    to: Host | None
    retained: bool = False


@dataclass(eq=False)
class Host:
    """A host with its supervisor, which wants the wearable as long as it lives."""

    name: str
    offset_s: float
    rate: float
    lease: Lease = field(init=False)
    wants: bool = True
    is_up: bool = True
    has_broker: bool = False
    is_active: bool = False

    def now_s(self, at_s: float) -> float:
        return self.offset_s + self.rate * at_s

    @property
    def holds(self) -> bool:
        """Whether it may connect by a claim, and not for want of a broker."""
        return self.is_up and self.lease.may_connect and self.lease._mine is not None


class World:
    """Hosts, a broker between them, and a wearable that takes one link."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.at_s = 0.0
        self.retained: Claim | None = None
        self.messages: list[Message] = []
        self.linked: Host | None = None
        self.is_reliable = True
        self._ids = count()
        self.hosts = [Host(name, self.rng.uniform(-1e6, 1e6), self._rate()) for name in HOSTS]
        for host in self.hosts:
            self.start(host)

    def _rate(self) -> float:
        return 1 + self.rng.uniform(-500e-6, 500e-6)

    def start(self, host: Host) -> None:
        def new_id() -> str:
            return f"{self.rng.getrandbits(16):04x}{next(self._ids)}"

        host.lease = Lease(host.name, new_id, host.now_s(self.at_s))
        host.is_up, host.is_active, host.has_broker = True, False, False

    def kill(self, host: Host) -> None:
        self.disconnect(host)
        host.is_up = False
        if self.linked is host:
            self.linked = None

    def connect(self, host: Host) -> None:
        if host.is_up and not host.has_broker:
            host.has_broker = True
            host.lease.connect(host.now_s(self.at_s))
            if self.retained is not None:
                self._send(self.retained, host, retained=True)

    def disconnect(self, host: Host) -> None:
        if host.has_broker:
            host.has_broker = False
            host.lease.disconnect(host.now_s(self.at_s))
            self.messages = [one for one in self.messages if one.to is not host]

    def _send(self, claim: Claim, to: Host | None, *, retained: bool = False) -> None:
        due_s = self.at_s + self.rng.uniform(0, MESSAGE_S / 2 - STEP_S)
        self.messages.append(Message(due_s, claim, to, retained))

    def deliver(self, message: Message) -> None:
        claim, to = message.claim, message.to
        if claim.number > NUMBER_MAX:
            return  # it is not let in
        if to is None:
            self.retained = claim
            for host in self.hosts:
                if host.has_broker:
                    self._send(claim, host)
        elif to.is_up and to.has_broker:
            to.lease.hear(claim, to.now_s(self.at_s), retained=message.retained)
            self.settle(to)

    def settle(self, host: Host) -> None:
        """Have the supervisor do what it does after each change."""
        now_s = host.now_s(self.at_s)
        lease = host.lease
        lease.tick(now_s)
        if host.is_active and not lease.may_connect and lease._mine is None:
            lease.release(now_s)
            host.is_active = False
            if self.linked is host:
                self.linked = None
        if host.wants and not host.is_active and lease.is_free(now_s):
            lease.claim(now_s)
            host.is_active = True
        if lease.may_connect and self.linked is None:
            self.linked = host
            lease.set_use(Use.LINKED, now_s)
        sent, lease.outgoing = lease.outgoing, []
        for claim in sent:
            if host.has_broker:
                self._send(claim, None)

    def release(self, host: Host) -> None:
        host.lease.release(host.now_s(self.at_s))
        host.is_active = False
        if self.linked is host:
            self.linked = None
        self.settle(host)

    def advance(self, for_s: float) -> None:
        until_s = self.at_s + for_s
        while self.at_s < until_s:
            self.at_s += STEP_S
            for message in sorted(self.messages, key=lambda one: one.due_s):
                if message.due_s <= self.at_s and message in self.messages:
                    self.messages.remove(message)
                    self.deliver(message)
            for host in self.hosts:
                if host.is_up:
                    self.settle(host)
            self.look()

    _together_since_s: float | None = None

    def look(self) -> None:
        """Two have the lease for no longer than a message takes."""
        holders = [host.name for host in self.hosts if host.holds]
        if len(holders) < 2:
            self._together_since_s = None
        elif self._together_since_s is None:
            self._together_since_s = self.at_s
        elif self.is_reliable:
            assert self.at_s - self._together_since_s <= MESSAGE_S, holders


def settled(world: World) -> None:
    """After all troubles one host has it, and all know which."""
    for host in world.hosts:
        if not host.is_up:
            world.start(host)
        world.connect(host)
    world.advance(2 * LASTS_S + BROKER_S)
    wanting = [host for host in world.hosts if host.wants]
    holders = [host for host in wanting if host.lease.may_connect]
    assert len(holders) == min(1, len(wanting)), [host.name for host in holders]
    for host in world.hosts:
        holder = host.lease.holder(host.now_s(world.at_s))
        if holders and host is not holders[0]:
            assert holder is not None
            assert holder.host == holders[0].name
            assert not host.lease.may_connect
        else:
            assert holder is None


class Hosts(RuleBasedStateMachine):
    """Everything that can happen, in any order."""

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        note(f"seed {seed}")
        self.world = World(seed)

    def host(self, number: int) -> Host:
        return self.world.hosts[number]

    @rule(for_s=st.sampled_from([0.1, 0.4, 1.0, 4.0, 12.0, LASTS_S + 2]))
    def wait(self, for_s: float) -> None:
        self.world.advance(for_s)

    @rule(number=st.integers(0, 2))
    def broker_comes(self, number: int) -> None:
        self.world.connect(self.host(number))

    @rule(number=st.integers(0, 2))
    def broker_goes(self, number: int) -> None:
        self.world.disconnect(self.host(number))

    @rule(number=st.integers(0, 2))
    def crash(self, number: int) -> None:
        self.world.kill(self.host(number))

    @rule(number=st.integers(0, 2))
    def start_again(self, number: int) -> None:
        if not self.host(number).is_up:
            self.world.start(self.host(number))

    @rule(number=st.integers(0, 2), wants=st.booleans())
    def want(self, number: int, *, wants: bool) -> None:
        host = self.host(number)
        host.wants = wants
        if host.is_up and not wants:
            self.world.release(host)

    @rule(number=st.integers(0, 2))
    def ask(self, number: int) -> None:
        host = self.host(number)
        if host.is_up and host.wants:
            host.lease.ask(host.now_s(self.world.at_s))
            host.is_active = host.is_active or host.lease._mine is not None
            self.world.settle(host)

    @precondition(lambda self: self.world.messages)
    @rule(pick=st.integers(0, 1000))
    def doubled(self, pick: int) -> None:
        message = self.world.messages[pick % len(self.world.messages)]
        self.world._send(message.claim, message.to, retained=message.retained)

    @precondition(lambda self: self.world.messages)
    @rule(pick=st.integers(0, 1000))
    def overtakes(self, pick: int) -> None:
        self.world.deliver(self.world.messages.pop(pick % len(self.world.messages)))

    @precondition(lambda self: self.world.messages)
    @rule(pick=st.integers(0, 1000))
    def lost(self, pick: int) -> None:
        self.world.is_reliable = False
        self.world.messages.pop(pick % len(self.world.messages))

    @rule(
        number=st.sampled_from([1, 5, TOO_HIGH - 1, TOO_HIGH, NUMBER_MAX]),
        use=st.sampled_from(Use),
    )
    def somebody_else_claims(self, number: int, use: Use) -> None:
        self.world.is_reliable = False
        claim = Claim(number, f"{next(self.world._ids):04x}", NUMBER_MAX, "z", use)
        self.world.deliver(Message(self.world.at_s, claim, None))

    @rule()
    def broker_forgets(self) -> None:
        for host in self.world.hosts:
            self.world.disconnect(host)
        self.world.messages, self.world.retained = [], None

    @invariant()
    def numbers_grow(self) -> None:
        for one, other in pairwise(sorted(self.world.messages, key=lambda m: m.claim.version)):
            same = one.claim.version == other.claim.version
            assert not same or one.claim == other.claim, "two claims that cannot be told apart"

    def teardown(self) -> None:
        if hasattr(self, "world"):
            settled(self.world)


def test_whatever_happens_two_do_not_have_it_for_long_and_in_the_end_one_has_it() -> None:
    run_state_machine_as_test(
        Hosts,
        settings=settings(
            max_examples=40,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def connected(seed: int = 1) -> World:
    world = World(seed)
    for host in world.hosts:
        world.connect(host)
    world.advance(SETTLE_S + 3 * MESSAGE_S)
    return world


def holder_of(world: World) -> Host:
    (holder,) = [host for host in world.hosts if host.is_up and host.lease.may_connect]
    return holder


def test_the_holder_keeps_it_while_others_wait_for_hours() -> None:
    world = connected()
    holder = holder_of(world)
    for _ in range(60):
        world.advance(30)
        for message in list(world.messages):
            world._send(message.claim, message.to)
        assert holder_of(world) is holder


def test_when_the_holder_dies_another_has_it_in_time_and_its_late_messages_change_nothing() -> None:
    world = connected()
    first = holder_of(world)
    late = first.lease._mine
    assert late is not None
    world.kill(first)
    world.advance(LASTS_S + 3 * MESSAGE_S)
    second = holder_of(world)
    assert second is not first
    world._send(late, None)
    world.advance(5 * MESSAGE_S)
    assert holder_of(world) is second
    assert world.retained is not None
    assert world.retained.host == second.name, "the broker has the claim that counts"


def test_who_asks_has_it_at_once_and_the_one_before_lets_go() -> None:
    world = connected()
    first = holder_of(world)
    other = next(host for host in world.hosts if host is not first)
    other.lease.ask(other.now_s(world.at_s))
    other.is_active = True
    world.advance(2 * MESSAGE_S)
    assert holder_of(world) is other


def test_after_a_crash_a_host_does_not_wait_for_its_own_claim() -> None:
    world = connected()
    first = holder_of(world)
    for host in world.hosts:
        if host is not first:
            world.kill(host)
    world.kill(first)
    world.start(first)
    world.connect(first)
    world.advance(SETTLE_S + 2 * MESSAGE_S)
    assert holder_of(world) is first


@pytest.mark.parametrize("seed", range(6))
def test_a_host_that_is_not_told_what_it_had_claimed_before_a_crash_keeps_the_wearable(
    seed: int,
) -> None:
    world = connected(seed)
    holder = holder_of(world)
    world.kill(holder)
    world.advance(2)
    world.start(holder)
    world.retained = None
    world.connect(holder)
    world.advance(SETTLE_S + 5 * MESSAGE_S)

    for _ in range(60):
        assert holder_of(world) is holder
        world.advance(1)


@pytest.mark.parametrize("seed", range(6))
def test_a_host_that_has_not_heard_of_the_holder_does_not_take_the_wearable(seed: int) -> None:
    """A broker of several nodes was seen to have what is retained half a minute late."""
    world = connected(seed)
    holder = holder_of(world)
    other = next(host for host in world.hosts if host is not holder)
    for _ in range(4):
        world.kill(other)
        world.start(other)
        world.retained = None
        world.connect(other)
        for _ in range(30):
            world.advance(0.3)
            assert world.linked is holder


def test_two_hosts_of_one_name_do_not_outdo_each_other_for_ever() -> None:
    world = World(1)
    world.is_reliable = False  # they take it from each other a few times
    for host in world.hosts:
        host.name = "a"
        world.start(host)
        world.connect(host)
    world.advance(2 * LASTS_S)
    numbers = [host.lease._number for host in world.hosts]

    world.advance(10 * LASTS_S)
    assert [host.lease._number for host in world.hosts] == numbers


def test_without_a_broker_each_is_alone_and_one_that_is_linked_keeps_its_link() -> None:
    world = World(1)
    world.advance(BROKER_S + 1)
    assert all(host.lease.may_connect for host in world.hosts), "it only saves attempts"
    linked = world.linked
    assert linked is not None
    for host in world.hosts:
        if host is not linked:
            world.connect(host)
    world.advance(SETTLE_S + 2 * MESSAGE_S)
    world.connect(linked)
    world.advance(SETTLE_S + 3 * MESSAGE_S)
    assert holder_of(world) is linked


@pytest.mark.parametrize("seed", range(6))
def test_after_an_outage_of_the_broker_the_host_that_is_linked_has_it(seed: int) -> None:
    world = World(seed)
    world.advance(BROKER_S + 1)
    linked = world.linked
    assert linked is not None
    for host in world.hosts:
        world.connect(host)
    while not linked.holds:
        world.advance(STEP_S)
    world.advance(LASTS_S)
    assert linked.holds, "all of them tried at that moment, and claimed it at once"
    assert holder_of(world) is linked


def test_a_claim_that_nobody_has_heard_does_not_outdo_others_after_an_outage() -> None:
    lease = Lease("a", iter(["5" * 16, "6" * 16]).__next__, 0.0)
    lease.connect(0.0)
    lease.hear(Claim(3, "0" * 16, 0, "b", Use.LINKED), 0.5)
    lease.ask(SETTLE_S)
    lease.disconnect(SETTLE_S)
    began_s = SETTLE_S + 2 * LASTS_S
    lease.connect(began_s)
    lease.claim(began_s + SETTLE_S)
    numbers = [claim.number for claim in lease.outgoing]
    assert numbers == [4, 4], "the host that is linked claims this number too, and wins"


def test_a_broker_that_gives_nothing_back_is_as_none() -> None:
    world = World(1)
    host = world.hosts[0]
    world.connect(host)
    began_s = world.at_s
    while not host.lease.may_connect:
        world.messages.clear()
        world.advance(STEP_S)
        assert world.at_s - began_s < SETTLE_S + ANSWER_S + 1


@pytest.mark.parametrize("number", [1, 5])
def test_a_claim_of_a_dead_host_blocks_no_longer_than_it_lasts(number: int) -> None:
    lease = Lease("a", iter(["f" * 16]).__next__, 0.0)
    lease.connect(0.0)
    lease.hear(Claim(number, "0" * 16, 3, "b", Use.PLAYING), 0.5, retained=True)
    assert not lease.is_free(SETTLE_S + 0.5)
    assert lease.next_s(SETTLE_S + 0.5) == 0.5 + LASTS_S
    assert lease.is_free(0.5 + LASTS_S)
    lease.claim(0.5 + LASTS_S)
    (claim,) = lease.outgoing
    assert claim.number == number + 1
    assert lease.next_s(claim.number) <= 0.5 + LASTS_S + RENEW_S


@pytest.mark.parametrize("use", [Use.PLAYING, Use.FREE])
@pytest.mark.parametrize("number", [NUMBER_MAX, TOO_HIGH + 1, TOO_HIGH, TOO_HIGH - 1])
def test_a_number_that_no_host_reaches_leaves_room_for_claims(number: int, use: Use) -> None:
    """Somebody else has published it, once; higher ones than the highest are not let in."""
    world = connected()
    claim = Claim(number, "f" * 16, NUMBER_MAX, "z", use)
    world.deliver(Message(world.at_s, claim, None))
    world.advance(MESSAGE_S)
    for _ in range(3):
        settled(world)
        asking = next(host for host in world.hosts if not host.lease.may_connect)
        asking.lease.ask(asking.now_s(world.at_s))
        asking.is_active = True
        world.settle(asking)
        world.advance(3 * MESSAGE_S)
        assert holder_of(world) is asking
    world.kill(world.hosts[0])
    settled(world)


def test_what_is_given_up_another_has_at_once() -> None:
    world = connected()
    first = holder_of(world)
    first.wants = False
    world.release(first)
    world.advance(3 * MESSAGE_S)
    assert holder_of(world) is not first


def test_a_message_that_comes_twice_does_not_keep_a_dead_host_alive() -> None:
    lease = Lease("a", iter(["f" * 16]).__next__, 0.0)
    lease.connect(0.0)
    for at_s in (0.0, LASTS_S - 1):
        lease.hear(Claim(1, "0" * 16, 3, "b", Use.LINKED), at_s)
    assert lease.holder(LASTS_S) is None


def test_a_claim_that_comes_late_is_overwritten_by_the_one_that_counts() -> None:
    late = Claim(4, "e" * 16, 9, "b", Use.LINKED)
    holder = Lease("a", iter(["0" * 16]).__next__, 0.0)
    holder.connect(0.0)
    holder.hear(replace(late, use=Use.FREE), 0.0)
    holder.claim(SETTLE_S)
    holder.hear(holder.outgoing.pop(), SETTLE_S)
    holder.hear(late, SETTLE_S)
    assert [one.order for one in holder.outgoing] == [(5, "0" * 16)]

    onlooker, given_up = Lease("c", str, 0.0), Claim(5, "0" * 16, 7, "a", Use.FREE)
    onlooker.connect(0.0)
    onlooker.hear(given_up, 0.0)
    onlooker.hear(late, 0.0)
    assert onlooker.outgoing == [given_up], "or a host that comes later would wait for a dead one"
    assert onlooker.is_free(SETTLE_S)
