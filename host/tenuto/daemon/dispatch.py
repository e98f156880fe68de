# SPDX-License-Identifier: MIT
"""Where an operation is carried out: in this process, or by the daemon over the control socket."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from tenuto.control import ControlServer, DaemonLock, find_daemon
from tenuto.control.entries import entry_from_json, entry_to_json
from tenuto.errors import ControlError, InputError, LinkError, LinkReason, TenutoError
from tenuto.sessions.events import Entry, SessionEnded
from tenuto.toml.rules import Seconds
from tenuto.toml.tables import keys

from .build import Host, resolved
from .operations import OPERATIONS
from .play import GOES_ON, STOP_TIMEOUT_S, Ended, PersonSink
from .sinks import queue_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from tenuto.config import Wearable
    from tenuto.control import Client, Conversation, Talk
    from tenuto.control.server import Handler
    from tenuto.links.scan import Found

    from .build import Setting
    from .operations import Operation, Person
    from .sinks import SinkQueue

A = TypeVar("A")
R = TypeVar("R")

ANSWER_MARGIN_S = 2.0


class Dispatcher(Protocol):
    """Carries operations out."""

    async def call(self, operation: Operation[A, R], asked: A, person: Person) -> R:
        """Carry an operation out for a person.

        Raises:
            TenutoError: Whatever the operation had to raise.
        """
        ...


@asynccontextmanager
async def open_dispatcher(setting: Setting, *wearables: Wearable) -> AsyncIterator[Dispatcher]:
    """Connect to the daemon, or else build here what is needed.

    Args:
        wearables: Those that are kept in the meantime, where that is done here.
    """
    client = await daemon_of(setting, *wearables)
    if client is not None:
        yield RemoteDispatcher(client)
        return
    async with AsyncExitStack() as stack:
        host = Host(setting, stack)
        if not wearables:
            yield LocalDispatcher(host)
            return
        await host.build(wearables, [])
        if host.mqtt.text:
            setting.say(host.mqtt.text)
        async with host.running(), host.page.serving(), _answering(host):
            if setting.page and host.page.address:
                setting.say(f"watch it in a browser: {host.page.make_link(None)}")
            yield LocalDispatcher(host)
            await host.flush()


@asynccontextmanager
async def _answering(host: Host) -> AsyncIterator[None]:
    """Let the commands of other terminals ask this session while inside, as they ask a daemon."""
    data = host.config.own.data
    async with AsyncExitStack() as stack:
        if host.setting.speed == 1.0:
            with suppress(InputError, OSError):  # somebody else is asked
                stack.enter_context(DaemonLock(data))
                await stack.enter_async_context(ControlServer(os.environ, data, handlers(host)))
        yield


async def daemon_of(setting: Setting, *wearables: Wearable) -> Client | None:
    """Find the daemon to ask instead of doing the work here; None if there is none.

    A session of `tenuto run` is asked too, where it keeps the wearables.

    One that runs with another configuration is not asked, and neither is any by a command that
    wants another speed than the real one.
    """
    if setting.speed != 1.0:
        return None
    config = setting.config
    client = await find_daemon(os.environ, config.own.data)
    if client is None:
        return None
    status = await client.ask("status")
    kept = {one["id"] for one in status["wearables"]}
    if not status.get("is_daemon", True) and not kept.issuperset(one.id for one in wearables):
        return None
    told = status.get("config")
    if told == resolved(config):
        return client
    setting.say(
        f"the daemon that runs has another configuration ({told or 'the built-in one'}), "
        "so this is done without it"
    )
    return None


class LocalDispatcher:
    """Carries operations out in this process."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def call(self, operation: Operation[A, R], asked: A, person: Person) -> R:
        """See `Dispatcher`."""
        return await operation.carry_out(self._host, asked, person)


class RemoteDispatcher:
    """Has the daemon carry operations out."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def call(self, operation: Operation[A, R], asked: A, person: Person) -> R:
        """See `Dispatcher`."""
        async with (
            queue_for(PersonSink(person)) as queue,
            self._client.talk(operation.name, **_written(asked)) as talk,
        ):
            answering = asyncio.create_task(_answer(talk, queue, person), name="answer")
            wanted = asyncio.create_task(person.gone.wait(), name="wait for a reason to stop")
            try:
                await asyncio.wait({answering, wanted}, return_when=asyncio.FIRST_COMPLETED)
                if not answering.done():
                    with suppress(TenutoError):
                        await talk.say(stop=True)
                    await asyncio.wait({answering}, timeout=STOP_TIMEOUT_S + ANSWER_MARGIN_S)
                if not answering.done():
                    raise LinkError(LinkReason.LOST, GOES_ON.format("the wearable"))
                told = answering.result()
            finally:
                wanted.cancel()
                answering.cancel()
                await asyncio.wait({wanted, answering}, timeout=1)
                await queue.flush()
        return _read_result(operation.result, told)


def _written(asked: object) -> dict[str, Any]:
    """Return arguments as they go over the socket."""
    told: dict[str, Any] = {}
    for name, field in keys(type(asked)).items():
        value, rule = getattr(asked, field.name), field.metadata["rule"]
        if isinstance(rule, Seconds):
            value /= 1000
        if value is not None:
            told[name] = rule.write(value) if hasattr(rule, "write") else value
    return told


def _read_result(cls: type[R], told: Mapping[str, Any]) -> R:
    known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
    try:
        return cls(**{name: value for name, value in told.items() if name in known})
    except TypeError as error:
        raise ControlError(
            "the daemon tells of something that is not known here; restart it after an update"
        ) from error


async def _answer(talk: Talk, queue: SinkQueue, person: Person) -> Mapping[str, Any]:
    """Pass on to the person what comes, until the result."""
    plays, ended = False, None
    try:
        async for item in talk:
            if "show" in item:
                person.show(str(item["show"]))
            if "ask" in item:
                await talk.say(answer=await person.ask(str(item["ask"])))
            if "found" in item:
                from tenuto.links.scan import Found  # noqa: PLC0415 - few need it

                await person.tell([Found.from_json(one) for one in item["found"]])
            if "entry" in item:
                entry = entry_from_json(item["entry"])
                queue.put(entry)
                plays = True
                if isinstance(entry.event, SessionEnded):
                    ended = entry.event
    except ControlError as error:
        if ended is not None:
            return asdict(Ended(ended.reason))
        if plays:
            raise LinkError(
                LinkReason.LOST,
                f"{error}; what plays on the wearable goes on there, `tenuto run` joins it again",
            ) from error
        raise
    return talk.result


# --- the daemon's end


def handlers(host: Host) -> dict[str, Handler]:
    """Return what answers each request on the control socket, by its name."""
    return {name: _handler(host, operation) for name, operation in OPERATIONS.items()}


def _handler(host: Host, operation: Operation[Any, Any]) -> Handler:
    async def answer(talk: Conversation) -> dict[str, Any]:
        asked = operation.read(
            {name: value for name, value in talk.request.items() if name not in ("tenuto", "ask")}
        )
        async with _Remote(talk) as person:
            return asdict(await operation.carry_out(host, asked, person))

    return answer


class _Remote:
    """The person at the client's terminal; a context manager."""

    def __init__(self, talk: Conversation) -> None:
        self.gone = asyncio.Event()
        self._talk = talk
        self._answers: asyncio.Queue[str] = asyncio.Queue(1)
        self._showing: set[asyncio.Task[None]] = set()
        self._listening: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._listening = asyncio.create_task(self._listen(), name="control person")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._showing:
            await asyncio.wait(self._showing, timeout=ANSWER_MARGIN_S)
        if self._listening is not None:
            self._listening.cancel()

    async def _listen(self) -> None:
        while True:
            said = await self._talk.hear()
            if said.get("stop") is True:
                self.gone.set()
            if "answer" in said and not self._answers.full():
                self._answers.put_nowait(str(said["answer"]))

    def show(self, text: str) -> None:
        task = asyncio.create_task(self._send(text), name="show")
        self._showing.add(task)
        task.add_done_callback(self._showing.discard)

    async def _send(self, text: str) -> None:
        with suppress(TenutoError):  # a client that has gone ends the request anyway
            await self._talk.send(show=text)

    async def ask(self, text: str) -> str:
        await self._talk.send(ask=text)
        return await self._answers.get()

    async def tell(self, items: Sequence[Entry] | Sequence[Found]) -> None:
        found = []
        for item in items:
            if isinstance(item, Entry):
                await self._talk.send(entry=entry_to_json(item))
            else:
                found.append(item.to_json())
        if found:
            await self._talk.send(found=found)
