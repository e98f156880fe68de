# SPDX-License-Identifier: MIT
"""MQTT brokers of a test's own: amqtt in this process, or Mosquitto beside it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Self

from tenuto import extras, files
from tenuto.errors import InputError, TenutoError
from tenuto.mqtt.address import BrokerAddress
from tenuto.mqtt.broker import EmbeddedBroker

HOST = "127.0.0.1"
START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0
SYSTEM_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")


class Broker(ABC):
    """An MQTT broker on this machine that takes everybody; a context manager.

    Attributes:
        host, port: Where it listens.
        protocol: The version of MQTT that it speaks, None for 5 and 3.1.1.
    """

    host = HOST
    port: int
    protocol: str | None = None

    @property
    def url(self) -> str:
        """The address as `[mqtt] url` of Tenuto's configuration takes it."""
        return f"mqtt://{self.host}:{self.port}"

    @property
    def address(self) -> BrokerAddress:
        """The address, and the version of the protocol where only one is spoken."""
        return BrokerAddress(self.host, self.port, protocol=self.protocol)

    @abstractmethod
    def start(self) -> None:
        """Start it, and return once it takes connections.

        Raises:
            TenutoError: It does not start.
        """

    @abstractmethod
    def stop(self) -> None:
        """End it; nothing if it is not up."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class AmqttBroker(Broker):
    """The broker that Tenuto embeds, in a thread; it needs `tenuto[broker]`."""

    protocol = "3.1.1"

    def start(self) -> None:
        """Start it on a free port."""
        self._broker = EmbeddedBroker(0)
        self._broker.start()
        self.port = self._broker.address.port

    def stop(self) -> None:
        """End it."""
        self._broker.stop()


class MosquittoBroker(Broker):
    """A Mosquitto in a process of its own.

    Args:
        folder: For its configuration and its log; it must be there.
        program: Mosquitto's; None to look for it.
        config: Lines of its configuration besides the listener.

    Attributes:
        process: It while it runs.
        log_path: What it said, in all its lives.

    Raises:
        InputError: There is no Mosquitto.
    """

    def __init__(
        self, folder: Path, *, program: Path | None = None, config: str = "allow_anonymous true"
    ) -> None:
        found = program or find_mosquitto()
        if found is None:
            raise InputError(_missing())
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.log_path = folder / "mosquitto.log"
        self._command = [str(found.absolute()), "-v", "-c", str(folder / "mosquitto.conf")]
        self._folder = folder
        self._socket_files = re.findall(r"^listener 0 (\S+)$", config, re.MULTILINE)
        # Started by root, it would change to a user who may not read the test's files; started by
        # anybody else, it ignores the line.
        lines = f"user root\nlistener {self.port} {self.host}\n{config}\n"
        (folder / "mosquitto.conf").write_text(lines, encoding="utf-8")

    @property
    def log(self) -> str:
        """What it said so far."""
        return files.read(self.log_path).decode(errors="replace")

    def patience_s(self, seconds: float) -> float:
        """Return how long to wait for what usually takes less; a subclass may know better."""
        return seconds

    def start(self) -> None:
        """Start it, and return once it takes connections, by its socket files too.

        The port stays the same when it is started again.

        Raises:
            TenutoError: It ended, or took no connection for 10 s; with its log.
        """
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - the caller's own program
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
            )
        began_s = time.monotonic()
        while self.process.poll() is None:
            if time.monotonic() - began_s > self.patience_s(START_TIMEOUT_S):
                break
            with contextlib.suppress(OSError):
                limit_s = self.patience_s(1)
                socket.create_connection((self.host, self.port), timeout=limit_s).close()
                for path in self._socket_files:  # it opens these last
                    with socket.socket(socket.AF_UNIX) as client:
                        client.connect(path)
                return
            time.sleep(0.01)
        self.stop()
        raise TenutoError(f"Mosquitto does not listen on port {self.port}:\n{self.log}")

    def stop(self) -> None:
        """End it as an administrator would, and wait until it is gone; nothing if it is not up."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(self.patience_s(STOP_TIMEOUT_S))
        except subprocess.TimeoutExpired:
            self.kill()
        self.process = None

    def kill(self) -> None:
        """End it as a power cut would: no last words to anybody."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(self.patience_s(STOP_TIMEOUT_S))
            self.process = None


def a_broker(folder: Path) -> Broker:
    """Return a Mosquitto where there is one, else amqtt.

    Not the other way round: amqtt 0.12 hands to a client that connects what is retained for the
    subscriptions of all others.

    Raises:
        InputError: There is neither.
    """
    mosquitto = find_mosquitto()
    if mosquitto is not None:
        return MosquittoBroker(folder, program=mosquitto)
    if not extras.EXTRAS["broker"].is_installed:
        raise InputError(_missing())
    return AmqttBroker()


def find_mosquitto() -> Path | None:
    """Return Mosquitto's program, on PATH or where Debian and Homebrew put it; None without."""
    folders = [os.environ.get("PATH", os.defpath), *SYSTEM_FOLDERS]
    found = shutil.which("mosquitto", path=os.pathsep.join(folders))
    return None if found is None else Path(found)


def _missing() -> str:
    return f"there is no Mosquitto; {extras.how_to_get('broker', 'a broker without it')}"


def free_port() -> int:
    """Return a TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
