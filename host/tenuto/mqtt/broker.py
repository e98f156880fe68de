# SPDX-License-Identifier: MIT
"""A broker inside the process, for those who have none: amqtt, on 127.0.0.1.

It has a thread and an event loop of its own: its keep-alive runs in real time whatever the speed
of the session, and what a dashboard makes it do delays no cue.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from concurrent.futures import Future
from threading import Thread
from typing import TYPE_CHECKING, Any, Self

from tenuto import extras
from tenuto.errors import TenutoError

from .address import BrokerAddress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_log = logging.getLogger(__name__)

HOST = "127.0.0.1"
PORT = 1883
START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 3.0
LISTENER = "default"


class EmbeddedBroker:
    """A running broker; an asynchronous context manager.

    Everybody on this machine may connect, nobody else can.

    Attributes:
        address: where it listens, once it runs.

    Args:
        port: None for 1883, or any free one if that is taken.
    """

    address: BrokerAddress

    def __init__(self, port: int | None = None) -> None:
        self._wanted = port
        self._thread: Thread | None = None
        self._started: Future[BrokerAddress] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Start it and wait until it listens.

        Raises:
            InputError: The extra `broker` is not installed.
            TenutoError: it does not start.
        """
        # By way of an executor, so that a virtual clock stands still meanwhile.
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(None, self.start)
        except BaseException:
            await loop.run_in_executor(None, self.stop)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop it and disconnect everybody."""
        await asyncio.get_running_loop().run_in_executor(None, self.stop)

    def start(self) -> None:
        """Start it, and return once it listens; see `__aenter__`.

        Raises:
            TenutoError: It did not start in time.
        """
        self._thread = Thread(target=self._run, name="tenuto-broker", daemon=True)
        self._thread.start()
        try:
            self.address = self._started.result(START_TIMEOUT_S)
        except TimeoutError:
            raise TenutoError(
                f"the embedded broker did not start within {START_TIMEOUT_S:g} s"
            ) from None
        _log.info("the embedded broker listens on %s", self.address)

    def stop(self) -> None:
        """Stop it and disconnect everybody; nothing if it was not started."""
        if self._thread is None:
            return
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it ended by itself
                self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(2 * STOP_TIMEOUT_S)
        if self._thread.is_alive():
            _log.warning("the embedded broker does not end")

    # --- in the thread

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # noqa: BLE001 - the thread has nobody else to tell
            if not self._started.done():
                self._started.set_exception(error)
                return
            _log.warning("the embedded broker ended: %s", type(error).__name__)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        with extras.needed("broker", "a broker of Tenuto's own"):
            # Without types.
            from amqtt.adapters import (  # type: ignore[import-untyped]  # noqa: PLC0415
                StreamReaderAdapter,
                StreamWriterAdapter,
            )

            broker = make_amqtt(anonymous=True)
        for noisy in ("amqtt", "transitions"):
            logging.getLogger(noisy).setLevel(logging.ERROR)
        served: set[asyncio.Task[None]] = set()

        def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # Not a coroutine: one that is cancelled before it begins would leave its socket open.
            work = broker.external_connected(
                StreamReaderAdapter(reader), StreamWriterAdapter(writer), LISTENER
            )
            task = asyncio.create_task(work, name="tenuto-broker client")
            served.add(task)

            def ended(_: asyncio.Task[None]) -> None:
                served.discard(task)
                writer.transport.abort()

            task.add_done_callback(ended)

        await broker.start()
        # Its own listener leaves the sockets of those who are still there open.
        server = await self._listen(serve)
        try:
            port = server.sockets[0].getsockname()[1]
            self._started.set_result(BrokerAddress(HOST, port, protocol="3.1.1"))
            await self._ended.wait()
        finally:
            # Not close() alone: a connection accepted in that very moment would stay open for ever,
            # for its transport no longer finds the server.
            for listening in server.sockets:
                with contextlib.suppress(NotImplementedError):
                    self._loop.remove_reader(listening.fileno())
            await _settle()
            server.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await broker.shutdown()
            for task in served:
                task.cancel()
            await asyncio.gather(*served, return_exceptions=True)
            await _settle()

    async def _listen(self, serve: Callable[..., None]) -> asyncio.Server:
        wanted = (PORT, 0) if self._wanted is None else (self._wanted,)
        for port in wanted:
            with contextlib.suppress(OSError):
                return await asyncio.start_server(serve, HOST, port)
        raise TenutoError(f"the embedded broker cannot listen on port {wanted[-1]} of {HOST}")


async def _settle() -> None:
    """Let connections that were just made or ended come to the end of it."""
    for _ in range(5):
        await asyncio.sleep(0)


class _Subscriptions(dict[str, Any]):
    """Who subscribed to what, for going through while others subscribe.

    amqtt 0.12 awaits in the middle of going through its own: somebody who subscribes or leaves in
    that moment ends the connection of whoever comes back to a session that was kept.
    """

    def __iter__(self) -> Iterator[str]:
        return iter(list(super().__iter__()))

    def items(self) -> Any:  # noqa: ANN401 - a list where a dict has a view
        return list(super().items())


def make_amqtt(*, anonymous: bool) -> Any:  # noqa: ANN401 - it has no types
    """Make a broker of amqtt's with the one listener `LISTENER`, which is served from outside.

    Args:
        anonymous: Whether clients without a name may come; it keeps no session for these.

    Raises:
        ImportError: amqtt is not installed.
    """
    from amqtt.broker import Broker  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra

    plugin = "amqtt.plugins.authentication.AnonymousAuthPlugin"
    config = {
        "listeners": {LISTENER: {"type": "external"}},
        "plugins": {plugin: {"allow_anonymous": anonymous}},
    }
    broker = Broker(config)
    broker._subscriptions = _Subscriptions()  # noqa: SLF001 - see there
    return broker
