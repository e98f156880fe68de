# SPDX-License-Identifier: MIT
"""Orders to simulated devices in words, and what their motors do told by JSON lines."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tenuto.simulator import World, console
from tenuto.simulator.controls import Controls, RadioControls, ServerControls
from tenuto.simulator.hardware import Edge, HeartSensor
from tenuto.simulator.intiface import SimulatedIntiface
from tenuto.simulator.orders import LINE_BYTES_MAX, ORDERS, carry_out
from tenuto.wearables import registry
from tests.conftest import needs_module
from tests.patience import patience_s

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def devices(*models: str) -> AsyncIterator[dict[str, Controls]]:
    async with World(seed=1) as world:
        made: dict[str, Controls] = {}
        for number, model_id in enumerate(models):
            model = registry.find(model_id)
            assert model.simulate is not None
            name = f"{model_id}-{number}"
            device = await model.simulate(world, name, None)
            made[name] = RadioControls(name, device, world.radio, model.capabilities)
        yield made


async def order(line: str, among: dict[str, Controls]) -> dict[str, Any]:
    answer = await carry_out(line, among)
    assert answer is not None
    return answer


async def test_each_gesture_is_felt_as_what_it_means() -> None:
    """A band that nobody has given a plan answers to a long press, and to press, press, hold."""
    async with devices("band") as band:
        (it,) = band.values()
        assert await order("long-press", band) == {
            "ok": True,
            "wearable": "band-0",
            "order": "long-press",
        }
        await asyncio.sleep(5)
        farewell = list(it.motor.edges)
        assert farewell
        await order("pair 2s", band)
        await asyncio.sleep(1.9)
        assert len(it.motor.edges) == len(farewell), "not before its time"
        await asyncio.sleep(5)
        assert len(it.motor.edges) > len(farewell)


@pytest.mark.parametrize("model_id", ["band", "bangle", "alert", "infinitime"])
async def test_every_order_is_carried_out_or_refused_with_its_reason(model_id: str) -> None:
    needs_module("quickjs")
    lines = [
        *("press", "double-press 500ms", "long-press 1s", "pair 3s"),
        *("heart 150", "heart off", "battery 20", "silence 2s", "silence 2s@1m"),
        *("walk away", "walk back", "reset", "where"),
    ]
    assert {line.split()[0] for line in lines} == set(ORDERS)
    refused = {"bangle": {"battery"}, "infinitime": {"battery"}, "alert": {"battery", "heart"}}
    async with devices(model_id) as those:
        for line in lines:
            answer = await order(line, those)
            told = answer.get("error", "")
            assert answer["ok"] == (line.split()[0] not in refused.get(model_id, ())), told
            assert answer["ok"] or f"{model_id}-0" in told
            await asyncio.sleep(10)


async def test_a_heart_beats_as_ordered_until_it_is_taken_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with devices("band") as band:
        beats: list[int] = []
        monkeypatch.setattr(HeartSensor, "beat", lambda _, bpm, **_more: beats.append(bpm))
        await order("heart 150", band)
        await asyncio.sleep(10.1)
        assert beats == [150] * 25
        await order("heart 60", band)
        await asyncio.sleep(10.1)
        assert beats[25:] == [60] * 10, "one heart, not two"
        await order("heart off", band)
        await asyncio.sleep(10)
        assert len(beats) == 35


async def test_out_of_reach_until_it_walks_back_and_silent_for_as_long_as_was_said() -> None:
    async with devices("band") as band:

        async def where() -> str:
            return str((await order("where", band))["where"])

        await order("walk away", band)
        await order("walk away", band)
        assert await where() == "out of reach"
        await order("walk back", band)
        assert await where() == "in reach"
        await order("silence 20s@60s", band)
        seen = []
        for _ in range(4):
            await asyncio.sleep(25)
            seen.append(await where())
        assert seen == ["in reach", "in reach", "out of reach", "in reach"]


async def test_one_of_several_is_named_and_the_others_do_nothing() -> None:
    async with devices("band", "alert") as those:
        assert (await order("alert-1 press", those))["wearable"] == "alert-1"
        await order("alert-1 walk away", those)
        assert [one.is_in_reach for one in those.values()] == [True, False]
        unnamed = await order("press", those)
        assert not unnamed["ok"]
        assert "band-0" in unnamed["error"]
        assert "alert-1" in unnamed["error"]


@pytest.mark.parametrize(
    "line, said",
    [
        ("prss", "did you mean `press`?"),
        ("dance", "allowed: press"),
        ("band-0", "is no order"),
        ("press soon", "20s"),
        ("press -1s", "20s"),
        ("heart", "no heart rate"),
        ("heart nan", "no heart rate"),
        ("heart 500", "30 to 220"),
        ("heart 60 70", "no heart rate"),
        ("battery 101", "0 to 100"),
        ("battery full", "no charge"),
        ("silence", "20s"),
        ("silence 1d", "20s"),
        ("silence 5s@", "20s@60s"),
        ("walk", "away or back"),
        ("walk home", "away or back"),
        ("where now", "'now'"),
        ("reset all", "'all'"),
        ("press " + "x" * LINE_BYTES_MAX, f"longer than {LINE_BYTES_MAX}"),
        ("\x00\ufffd", "is no order"),
    ],
)
async def test_a_bad_line_is_refused_with_what_is_allowed(line: str, said: str) -> None:
    async with devices("band") as band:
        answer = await order(line, band)
        assert answer["ok"] is False
        assert said in answer["error"]
        await asyncio.sleep(5)
        (it,) = band.values()
        assert it.motor.edges == []
        assert it.is_in_reach


async def test_an_empty_line_and_a_remark_are_no_orders() -> None:
    async with devices("band") as band:
        assert [await carry_out(line, band) for line in ("", "  ", "# press")] == [None] * 3


async def test_a_device_behind_a_server_comes_and_goes() -> None:
    server = SimulatedIntiface()
    those: dict[str, Controls] = {"buttplug": ServerControls("buttplug", server)}
    assert (await order("walk away", those))["ok"]
    assert not server.is_there
    assert (await order("walk back", those))["ok"]
    assert server.is_there
    for line in ("press", "heart 60", "battery 3", "silence 2s"):
        assert "buttplug" in (await order(line, those))["error"]


@pytest.mark.real_time
async def test_programs_give_orders_by_tcp_and_each_hears_of_every_edge() -> None:
    async with devices("alert") as tag, asyncio.timeout(patience_s(20)):
        (it,) = tag.values()
        room = console.Console(tag)
        server = await console.listen(room, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        one, other = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        one[1].write(b"where\nprss\n" + b"x" * 100_000 + b"\nwhere\n")
        told = [json.loads(await one[0].readline()) for _ in range(4)]
        assert [answer["ok"] for answer in told] == [True, False, False, True]
        it.motor.note(Edge(1.0, on=True, strength_pct=50))
        for reader, _ in (one, other):
            edge = json.loads(await reader.readline())
            assert (edge["event"], edge["wearable"]) == ("motor", "alert-0")
            assert edge["strength_pct"] == 50
        for _, writer in (one, other):
            writer.close()
            await writer.wait_closed()
        server.close()


@pytest.mark.real_time
async def test_lines_of_a_pipe_are_taken_in_order_until_its_end() -> None:
    async with devices("alert") as tag, asyncio.timeout(patience_s(20)):
        told: list[dict[str, Any]] = []
        ours, theirs = os.pipe()
        os.write(theirs, b"walk away\nwhe")
        os.write(theirs, b"re\nwalk back\nwhere")
        os.close(theirs)
        await console.read(ours, console.Console(tag), told.append)
        os.close(ours)
        assert [answer["order"] for answer in told] == ["walk", "where", "walk", "where"]
        assert [one.get("where") for one in told] == [None, "out of reach", None, "in reach"]
