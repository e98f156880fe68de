# SPDX-License-Identifier: MIT
"""What a client may ask of the daemon: checked where it arrives, and carried out like anything."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tenuto import cli
from tenuto.config import Config, Folders, History, Mqtt, find_config
from tenuto.control import ControlServer, find_daemon, is_possible
from tenuto.daemon.build import Setting, open_host
from tenuto.daemon.dispatch import handlers
from tenuto.daemon.operations import OPERATIONS
from tenuto.errors import ControlError, InputError
from tenuto.history.adherence import day_of
from tenuto.history.prescription import DAYS
from tenuto.routines.library import Library
from tenuto.sessions.commands import Verb
from tenuto.terminal.words import date_words
from tests.history.prescribed import prescription
from tests.history.sessions import whole_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tenuto.control import Client
    from tenuto.daemon.build import Host

pytestmark = [
    pytest.mark.real_time,
    pytest.mark.slow,
    pytest.mark.skipif(not is_possible(), reason="no such sockets here"),
]


ADA = """
mqtt.url = "off"
history.path = "h.db"
[[person]]
id = "ada"
name = "Ada"
[[wearable]]
id = "wrist"
link = "simulated"
person = "ada"
"""


@asynccontextmanager
async def daemon(folder: Path, config: Config | None = None) -> AsyncIterator[tuple[Host, Client]]:
    """A daemon with its simulated wearable, and a client of it."""
    config = config or Config(
        mqtt=Mqtt(url="off"),
        history=History(path=folder / "h.db"),
        own=Folders(folder, folder),
    )
    setting = Setting(config=config, speed=1.0, mqtt=False, say=lambda _: None, seed=1)
    environ = {"XDG_RUNTIME_DIR": str(folder)}
    async with (
        open_host(setting, config.wearables, []) as host,
        host.running(),
        ControlServer(environ, config.own.data, handlers(host)),
    ):
        client = await find_daemon(environ, config.own.data)
        assert client is not None
        yield host, client


@pytest.mark.parametrize(
    "name, arguments, text",
    [
        ("scan", {"seconds": 10**4000}, "`seconds` is a very large number"),
        ("scan", {"seconds": "long"}, "`seconds` is the text 'long'"),
        ("scan", {"seconds": True}, "`seconds` is true"),
        ("scan", {"second": 3}, "did you mean `seconds`?"),
        ("run", {"plan": "AAAA"}, "`plan` is broken"),
        ("run", {"plan": "no base64!"}, "`plan`"),
        ("run", {"routine": 3}, "`routine` is 3"),
        ("run", {"wearable": "x" * 65}, "`wearable` is 65 bytes long"),
        ("pair", {}, "`address` is missing"),
        ("pair_by_cable", {"only": 1}, "allowed is true or false"),
        ("forget", {"address": ["a"]}, "`address` is a list"),
        ("status", {"more": 1}, "unknown key `more`"),
        ("pause", {"wearable": "simulated", "by_s": 3}, "unknown key `by_s`"),
        ("extend", {"wearable": "simulated", "by_s": 601}, "1 to 600 seconds"),
        (
            "prefer",
            {"wearable": "simulated", "strength": 9},
            "allowed is 10 to 150",
        ),
    ],
)
async def test_arguments_are_checked_where_they_arrive(
    folder: Path, name: str, arguments: dict[str, Any], text: str
) -> None:
    async with daemon(folder) as (_, client):
        with pytest.raises(ControlError) as caught:
            await client.ask(name, **arguments)
        assert text in str(caught.value)
        assert (await client.ask("status"))["wearables"][0]["id"] == "simulated", "it goes on"


@pytest.mark.parametrize("name", ["pair", "forget", "install_app"])
async def test_a_name_that_is_no_wearable_is_not_looked_for(folder: Path, name: str) -> None:
    async with daemon(folder) as (_, client):
        with pytest.raises(InputError, match="there is no wearable 'wrsit', known: 'simulated'"):
            await client.ask(name, address="wrsit")


async def test_a_number_and_a_text_that_break_readers_end_no_other_request(folder: Path) -> None:
    async with daemon(folder) as (_, client):
        for line in (
            b'{"tenuto": 1, "ask": "scan", "seconds": ' + b"9" * 4000 + b"}\n",
            b'{"tenuto": 1, "ask": "scan", "seconds": ' + b"9" * 9000 + b"}\n",
            b'{"tenuto": 1, "ask": "run", "routine": "\\ud800"}\n',
        ):
            reader, writer = await asyncio.open_unix_connection(str(client.path))
            writer.write(line)
            async with asyncio.timeout(5):
                told = json.loads(await reader.readline())
            writer.close()
            assert told["error"]["text"], line
            assert "fault" not in told["error"]["text"]
        assert await client.ask("flush") == {}


async def test_a_wearable_is_commanded_by_every_word(folder: Path) -> None:
    assert {verb.value for verb in Verb} <= OPERATIONS.keys()
    async with daemon(folder) as (host, client):
        async with asyncio.timeout(60):
            await host.hub.supervisors["simulated"].connected.wait()

        async def ask(name: str, **more: Any) -> tuple[bool, str]:
            answer = await client.ask(name, wearable="simulated", **more)
            return answer["ok"], answer["reason"]

        assert await ask("start", routine="no such") == (False, "unknown_routine")
        assert await ask("start", routine="lower-back") == (True, "ok")
        assert await ask("pause", id="7") == (True, "ok")
        assert await ask("pause", id="7") == (True, "ok"), "a repeat"
        assert await ask("pause", id="8") == (False, "already_paused")
        assert await ask("toggle") == (True, "ok")
        assert await ask("prefer", strength=80) == (True, "ok")
        assert host.settings.preferences("simulated").adjustment.strength_pct == 80
        assert await ask("stop") == (True, "ok")
        assert (await client.ask("stop", wearable="sock"))["reason"] == "unknown_wearable"


async def test_status_says_what_is_due_and_how_it_is_started(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / "tenuto.toml"
    file.write_text(ADA)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.setenv("XDG_DATA_HOME", str(folder))

    async def status(*more: str) -> str:
        def typed() -> None:
            with pytest.raises(SystemExit, match="0"):
                cli.main(["status", "--config", str(file), *more])

        await asyncio.to_thread(typed)
        return "".join(capsys.readouterr())

    async with daemon(folder, find_config(file)) as (host, client):
        assert "due" not in (await status()).lower()
        assert json.loads(await status("--json"))["due"] is None
        today = day_of(round(host.time.utc_ms()))
        until = (today + timedelta(days=7)).isoformat()
        asked = {"routine": "pelvic-floor", "person": "ada", "days": list(DAYS), "until": until}
        await client.ask("prescribe", **asked, note="sit")
        assert "Due today for Ada: Ten and ten, daily (sit)\n" in await status()
        assert "  tenuto start 'Ten and ten' --wearable wrist\n" in await status()
        (due,) = json.loads(await status("--json"))["due"]
        assert (due["person"], due["wearables"]) == ("ada", ["wrist"])
        assert host.library.routine(due["routine"]).name == "pelvic-floor", "start finds it"

        done = Library().plan("pelvic-floor").plan
        await host.store.add(
            whole_session(boot_utc_ms=round(host.time.utc_ms()), person="ada", plan=done)
        )
        tomorrow = date_words(today + timedelta(days=1))
        assert (await status()).endswith(f"Nothing is due today, next on {tomorrow}.\n")

        elsewhere = prescription(
            routine="kneeling",
            title="Kneeling",
            days=DAYS,
            times_a_week=len(DAYS),
            first=today,
            last=today + timedelta(days=7),
        )
        await host.store.prescribing.add(elsewhere)
        told = await status()
        assert "Due today for Ada: Kneeling, daily\n" in told
        assert "the routine kneeling is not on this computer" in told
        assert "tenuto routines share kneeling" in told
        assert "tenuto start" not in told, "it would be refused"

        await host.store.close()
        told = await status()
        assert "wrist: " in told, "whether the daemon is well is told all the same"
        assert "what is due is not known: " in told
