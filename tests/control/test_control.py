# SPDX-License-Identifier: MIT
"""The control socket: who may talk, how much, for how long, and what a dead one is."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tenuto.control import (
    LINE_BYTES_MAX,
    ControlServer,
    DaemonLock,
    find_daemon,
    is_possible,
    server as server_module,
)
from tenuto.control.protocol import decode, encode, socket_paths, to_error
from tenuto.errors import (
    ControlError,
    InputError,
    LinkError,
    LinkReason,
    RefusedError,
    StoreError,
    TenutoError,
)
from tests.patience import patience_s

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tenuto.control import Client, Conversation

pytestmark = pytest.mark.real_time

if not is_possible():
    pytest.skip("this platform has no such sockets", allow_module_level=True)


async def echo(talk: Conversation) -> dict[str, Any]:
    return {"heard": talk.request}


async def count(talk: Conversation) -> dict[str, Any]:
    for number in range(3):
        await talk.send(number=number)
    return {"last": 2}


async def ask(talk: Conversation) -> dict[str, Any]:
    await talk.send(question="who?")
    return {"answer": (await talk.hear())["answer"]}


@asynccontextmanager
async def served(folder: Path, **handlers: Any) -> AsyncIterator[Client]:
    given = {"echo": echo, "count": count, "ask": ask} | handlers
    async with ControlServer(environ(folder), folder / "data", given):
        client = await find_daemon(environ(folder), folder / "data")
        assert client is not None
        yield client


def environ(folder: Path) -> dict[str, str]:
    return {"XDG_RUNTIME_DIR": str(folder)}


async def raw(client: Client, *lines: bytes) -> dict[str, Any]:
    """Send lines as they are; gives the last answer."""
    reader, writer = await asyncio.open_unix_connection(str(client.path))
    writer.writelines(lines)
    try:
        async with asyncio.timeout(patience_s(5)):
            return json.loads((await reader.read()).splitlines()[-1])  # type: ignore[no-any-return]
    finally:
        writer.close()


async def test_only_the_user_may_talk(folder: Path) -> None:
    async with served(folder) as client:
        assert client.path == folder / "tenuto" / "control.sock"
        assert stat.S_IMODE(client.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(client.path.parent.stat().st_mode) == 0o700
    assert not client.path.exists()


async def test_a_request_its_items_and_its_answer(folder: Path) -> None:
    async with served(folder) as client:
        assert (await client.ask("echo", word="é"))["heard"]["word"] == "é"
        async with client.talk("count") as talk:
            assert [item["number"] async for item in talk] == [0, 1, 2]
            assert talk.result == {"last": 2}
        async with client.talk("ask") as talk:
            async for item in talk:
                assert item == {"question": "who?"}
                await talk.say(answer="me")
            assert talk.result == {"answer": "me"}


@pytest.mark.parametrize(
    "error",
    [
        InputError("a"),
        LinkError(LinkReason.ADAPTER_OFF, "b"),
        RefusedError("already_playing", "c"),
        StoreError("d"),
        ControlError("e"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_an_error_arrives_as_what_it_was(folder: Path, error: TenutoError) -> None:
    async def fails(_talk: Conversation) -> dict[str, Any]:
        raise error

    async with served(folder, fails=fails) as client:
        with pytest.raises(type(error)) as caught:
            await client.ask("fails")
    assert str(caught.value) == str(error)
    assert getattr(caught.value, "reason", None) == getattr(error, "reason", None)


async def test_a_fault_in_the_daemon_is_said_and_ends_nothing(folder: Path) -> None:
    async def breaks(_talk: Conversation) -> dict[str, Any]:
        raise ZeroDivisionError

    async with served(folder, breaks=breaks) as client:
        with pytest.raises(ControlError, match="ZeroDivisionError"):
            await client.ask("breaks")
        assert (await client.ask("count")) == {"last": 2}


@pytest.mark.parametrize(
    "line, word",
    [
        (b"hello\n", "no request"),
        (b"[1]\n", "no request"),
        (b'{"tenuto": 1, "ask": "nothing"}\n', "does not know"),
        (b'{"tenuto": 1, "ask": ["count"]}\n', "does not know"),
        (b'{"tenuto": 2, "ask": "count"}\n', "version 1"),
        (b'{"ask": "count"}\n', "version 1"),
        (b"x" * (LINE_BYTES_MAX + 10) + b"\n", "no request"),
        (b"[" * 60_000 + b"\n", "no request"),
    ],
    ids=["text", "list", "unknown", "odd", "newer", "none", "long", "deep"],
)
async def test_a_bad_request_is_answered_and_changes_nothing(
    folder: Path, line: bytes, word: str
) -> None:
    async with served(folder) as client:
        assert word in (await raw(client, line))["error"]["text"]
        assert (await client.ask("count")) == {"last": 2}


async def test_who_says_nothing_is_not_waited_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "REQUEST_TIMEOUT_S", 0.1)
    async with served(folder) as client:
        assert "no request" in (await raw(client))["error"]["text"]


async def test_a_client_that_goes_away_ends_its_request(folder: Path) -> None:
    ended = asyncio.Event()

    async def waits(talk: Conversation) -> dict[str, Any]:
        try:
            await talk.send(begun=True)
            await asyncio.sleep(60)
        finally:
            ended.set()
        return {}

    async with served(folder, waits=waits) as client:
        async with client.talk("waits") as talk:
            async for _ in talk:
                break
        async with asyncio.timeout(patience_s(5)):
            await ended.wait()


async def test_a_client_that_does_not_read_is_cut_off(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "SEND_TIMEOUT_S", 0.1)
    given_up = asyncio.Event()

    async def floods(talk: Conversation) -> dict[str, Any]:
        try:
            while True:
                await talk.send(text="x" * 30_000)
        except ControlError:
            given_up.set()
            raise

    async with served(folder, floods=floods) as client:
        _, writer = await asyncio.open_unix_connection(str(client.path))
        writer.write(encode({"tenuto": 1, "ask": "floods"}))
        async with asyncio.timeout(patience_s(5)):
            await given_up.wait()
        writer.close()


async def test_so_many_clients_and_no_more(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "CONNECTIONS_MAX", 2)

    async def waits(talk: Conversation) -> dict[str, Any]:
        await talk.send(begun=True)
        await talk.hear()
        return {}

    async with served(folder, waits=waits) as client:
        async with client.talk("waits") as one, client.talk("waits") as two:
            for talk in (one, two):
                async for _ in talk:
                    break
            with pytest.raises(ControlError):
                await client.ask("count")
        await asyncio.sleep(0.05)
        assert (await client.ask("count")) == {"last": 2}


async def test_clients_are_told_when_the_daemon_goes(folder: Path) -> None:
    async def waits(talk: Conversation) -> dict[str, Any]:
        await talk.send(begun=True)
        await asyncio.sleep(60)
        return {}

    async with served(folder, waits=waits) as client:
        context = client.talk("waits")
        talk = await context.__aenter__()
        items = aiter(talk)
        await anext(items)
    with pytest.raises(ControlError, match="going"):
        await anext(items)
    await context.__aexit__(None, None, None)


# --- one daemon, and dead ones


async def test_without_a_daemon_there_is_nobody(folder: Path) -> None:
    assert await find_daemon(environ(folder), folder / "data") is None


async def test_a_socket_that_a_killed_daemon_left_is_nobody_and_is_taken_over(
    folder: Path,
) -> None:
    path = folder / "tenuto" / "control.sock"
    path.parent.mkdir(mode=0o700)
    async with ControlServer({}, path.parent, {}):
        os.link(path, folder / "kept")
    (folder / "kept").rename(path)
    assert await find_daemon(environ(folder), folder / "data") is None
    async with served(folder) as client:
        assert (await client.ask("count")) == {"last": 2}


def test_a_second_daemon_is_refused_and_told_who_is_there(folder: Path) -> None:
    with DaemonLock(folder), pytest.raises(InputError, match=f"process {os.getpid()}"):
        DaemonLock(folder).__enter__()
    with DaemonLock(folder):
        pass


async def test_a_daemon_of_the_system_is_found_from_a_login(folder: Path) -> None:
    """A service has no $XDG_RUNTIME_DIR, who logs in has one."""
    async with ControlServer({}, folder / "data", {"count": count}):
        client = await find_daemon(environ(folder), folder / "data")
        assert client is not None
        assert (await client.ask("count")) == {"last": 2}


async def test_a_path_that_is_too_long_is_passed_over(folder: Path) -> None:
    long = folder / ("x" * 120)
    async with ControlServer(environ(long), folder / "data", {}) as server:
        assert server.path == folder / "data" / "control.sock"


def test_where_the_socket_is() -> None:
    data = Path("/users/anna/.local/share/tenuto")
    assert socket_paths({"XDG_RUNTIME_DIR": "/run/user/1000"}, data) == [
        Path("/run/user/1000/tenuto/control.sock"),
        data / "control.sock",
    ]
    assert socket_paths({"XDG_RUNTIME_DIR": "relative"}, data) == [data / "control.sock"]


def test_a_message_that_is_too_long_is_refused_where_it_is_made() -> None:
    with pytest.raises(ControlError):
        encode({"text": "x" * LINE_BYTES_MAX})


@pytest.mark.parametrize(
    "line",
    [b"", b"{}", b"null\n", b"\xff\n", b'{"a": NaN\n', b'{"a": NaN}\n', b'{"a": "\\ud800"}\n'],
)
def test_what_is_no_line(line: bytes) -> None:
    with pytest.raises(ControlError):
        decode(line)


def test_a_reason_that_is_not_known_here_is_still_an_error() -> None:
    error = to_error({"kind": "link", "reason": "of_tomorrow", "text": "what it says"})
    assert isinstance(error, ControlError)
    assert str(error) == "what it says"
