# SPDX-License-Identifier: MIT
"""Real, scaled and virtual time."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import socket
import threading
import time
import weakref

import pytest

from tenuto import event_loops
from tests.patience import patience_s


def test_in_virtual_time_a_year_is_over_at_once_and_to_the_point() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        await asyncio.sleep(365 * 24 * 3600)
        return loop.time() - start_s

    assert event_loops.run(main(), speed=math.inf) == pytest.approx(365 * 24 * 3600)


def test_timers_fire_in_the_order_of_their_times() -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        fired: list[int] = []
        for delay_s in (3, 1, 2, 60):
            loop.call_later(delay_s, fired.append, delay_s)
        await asyncio.sleep(61)
        return fired

    assert event_loops.run(main(), speed=math.inf) == [1, 2, 3, 60]


def test_timers_of_one_instant_fire_in_the_order_in_which_they_were_set() -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        fired: list[int] = []
        due_s = loop.time() + 60
        for number in range(300):
            timer = loop.call_at(due_s, fired.append, number)
            if number % 3:
                timer.cancel()
        await asyncio.sleep(61)
        return fired

    assert event_loops.run(main(), speed=math.inf) == list(range(0, 300, 3))


def test_what_is_due_does_not_wait_for_a_thread_that_may_wait_for_it() -> None:
    async def main() -> bool:
        loop = asyncio.get_running_loop()
        go = threading.Event()
        loop.call_later(0, go.set)
        return await asyncio.to_thread(go.wait, 10)

    assert event_loops.run(main(), speed=math.inf)


def test_cancelled_timers_do_not_pile_up() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        freed = [weakref.ref(_cancelled(loop)) for _ in range(10_000)]
        await asyncio.sleep(1)
        return sum(ref() is not None for ref in freed)

    assert event_loops.run(main(), speed=math.inf) < 200


def _cancelled(loop: asyncio.AbstractEventLoop) -> asyncio.TimerHandle:
    timer = loop.call_later(3600, print)
    timer.cancel()
    return timer


def test_a_time_far_ahead_is_reached_although_floats_are_coarse_there() -> None:
    event_loops.run(asyncio.sleep(1e9), speed=math.inf)


def test_virtual_time_stands_still_while_a_thread_works() -> None:
    due_at_s: list[float] = []

    async def main() -> float:
        loop = asyncio.get_running_loop()

        def work() -> int:
            time.sleep(0.02)
            return 7

        due = [loop.call_later(delay_s, due_at_s.append, delay_s) for delay_s in (0.001, 0.01)]
        start_s = loop.time()
        assert await asyncio.to_thread(work) == 7
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 / 0)
        assert due_at_s == []
        for timer in due:
            timer.cancel()
        return loop.time() - start_s

    assert event_loops.run(main(), speed=math.inf) == 0


def test_virtual_time_waits_for_a_thread_whose_caller_gave_up() -> None:
    finished_at_s: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        go = threading.Event()

        def work() -> None:
            go.wait(patience_s(10))
            finished_at_s.append(loop.time())

        waiting = loop.create_task(asyncio.to_thread(work))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        start_s = loop.time()
        threading.Timer(0.02, go.set).start()
        await asyncio.sleep(3600)
        assert finished_at_s == [start_s]

    event_loops.run(main(), speed=math.inf)


def test_in_virtual_time_a_side_thread_is_no_thread_and_in_real_time_it_is_one() -> None:
    async def main() -> bool:
        loop = asyncio.get_running_loop()
        with event_loops.SideThread("aside") as aside:
            with pytest.raises(ZeroDivisionError):
                await loop.run_in_executor(aside, lambda: 1 / 0)
            worker = await loop.run_in_executor(aside, threading.get_ident)
            assert worker == await loop.run_in_executor(aside, threading.get_ident)
        return worker == threading.get_ident()

    assert event_loops.run(main(), speed=math.inf)
    assert not event_loops.run(main(), speed=1.0)


def test_a_deadlock_says_which_task_waits_and_where_and_lets_it_clean_up() -> None:
    cleaned_up: list[str] = []

    async def forlorn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned_up.append("forlorn")

    async def main() -> None:
        await asyncio.sleep(2)
        await asyncio.get_running_loop().create_task(forlorn(), name="the forlorn task")

    with pytest.raises(event_loops.DeadlockError) as caught:
        event_loops.run(main(), speed=math.inf)

    assert "2.000 s" in str(caught.value)
    assert "the forlorn task waits at " in str(caught.value)
    assert __file__ in str(caught.value)
    assert cleaned_up == ["forlorn"]


def test_a_socket_from_outside_is_waited_for_where_nothing_else_is_to_come() -> None:
    here, there = socket.socketpair()

    async def main() -> bytes:
        reader, writer = await asyncio.open_connection(sock=here)
        threading.Timer(0.02, there.sendall, (b"hello",)).start()
        try:
            return await reader.readexactly(5)
        finally:
            writer.close()
            await writer.wait_closed()

    with there:
        assert event_loops.run(main(), speed=math.inf) == b"hello"


def test_with_a_settling_time_a_socket_comes_before_the_next_jump() -> None:
    here, there = socket.socketpair()

    async def main() -> float:
        loop = asyncio.get_running_loop()
        reader, writer = await asyncio.open_connection(sock=here)
        start_s = loop.time()
        threading.Timer(0.02, there.sendall, (b"hello",)).start()
        async with asyncio.timeout(3600):
            await reader.readexactly(5)
        writer.close()
        await writer.wait_closed()
        return loop.time() - start_s

    with there:
        assert event_loops.run(main(), speed=math.inf, settle_s=5) == 0


def test_another_thread_may_call_in() -> None:
    async def main() -> str:
        loop = asyncio.get_running_loop()
        called: asyncio.Future[str] = loop.create_future()
        thread = threading.Thread(
            target=loop.call_soon_threadsafe, args=(called.set_result, "from afar")
        )
        await asyncio.sleep(10)
        thread.start()
        thread.join()
        async with asyncio.timeout(1):
            return await called

    assert event_loops.run(main(), speed=math.inf) == "from afar"


@pytest.mark.parametrize("speed", [20.0, math.inf])
def test_a_signal_handler_is_called(speed: float) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        caught = asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, caught.set)
        loop.call_later(1, os.kill, os.getpid(), signal.SIGUSR1)
        async with asyncio.timeout(60):
            await caught.wait()

    event_loops.run(main(), speed=speed)


@pytest.mark.parametrize("speed", [20.0, math.inf])
def test_ctrl_c_cancels_and_waits_for_the_end(speed: float) -> None:
    ended: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(1, os.kill, os.getpid(), signal.SIGINT)
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.1)
            ended.append("cleanly")

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            event_loops.run(main(), speed=speed)
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended == ["cleanly"]


def test_scaled_time_runs_faster_but_never_ahead_and_does_not_spin() -> None:
    speed = 20.0

    async def main() -> None:
        loop = asyncio.get_running_loop()
        cpu_s, before_s = time.process_time(), time.monotonic()
        loop_s, after_s = loop.time(), time.monotonic()
        for _ in range(20):
            due_s = loop.time() + 0.1
            await asyncio.sleep(0.1)
            assert loop.time() >= due_s
        # Between two readings of the clock a busy machine may do something else for a while.
        at_least_s = time.monotonic() - after_s
        loop_s = loop.time() - loop_s
        at_most_s = time.monotonic() - before_s
        cpu_s = time.process_time() - cpu_s

        assert loop_s >= 2
        assert at_most_s >= 2 / speed
        assert at_least_s * speed <= loop_s <= at_most_s * speed
        assert cpu_s < at_most_s / 2

    event_loops.run(main(), speed=speed)


def test_real_time_is_the_ordinary_loop() -> None:
    async def main() -> type:
        return type(asyncio.get_running_loop())

    loop = asyncio.new_event_loop()
    loop.close()
    assert event_loops.run(main()) is type(loop)


@pytest.mark.parametrize("speed", [0, -1, math.nan, -math.inf])
def test_a_speed_that_leads_nowhere_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        event_loops.new_event_loop(speed)


def test_a_settling_time_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="settle_s"):
        event_loops.new_event_loop(math.inf, settle_s=-0.1)
