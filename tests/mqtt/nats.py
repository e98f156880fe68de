# SPDX-License-Identifier: MIT
"""Three nodes of NATS, which make one broker that outlives any of them."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tenuto.mqtt.address import BrokerAddress
from tenuto.shipped import shipped
from tests.patience import patience_s

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NODES = 3
PASSWORD = "of-the-test"  # noqa: S105 - what opens nothing else
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 5.0
CONFIG = shipped("config") / "fleet" / "nats.conf"
# Whoever connects before the nodes have agreed on a leader may wait for ever (2.9.10).
_READY = re.compile(rb"metadata leader")


@dataclass
class Node:
    """One node, which can be killed and started again.

    Attributes:
        port: Where it speaks MQTT.
        environ: What the shipped configuration leaves to the environment.
    """

    program: Path
    folder: Path
    port: int
    config: Path
    environ: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def address(self, user: str) -> BrokerAddress:
        return BrokerAddress("127.0.0.1", self.port, user=user, password=PASSWORD)

    def start(self) -> None:
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [self.program, "--config", self.config],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | self.environ,
            )

    def wait_until_ready(self) -> None:
        until_s = time.monotonic() + patience_s(START_TIMEOUT_S)
        while time.monotonic() < until_s:
            if _READY.search((self.folder / "log").read_bytes()):
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", self.port), 1).close()
                    return
            assert self.process is not None
            assert self.process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.05)
        raise AssertionError((self.folder / "log").read_text())

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(patience_s(STOP_TIMEOUT_S))
            self.process = None


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextlib.contextmanager
def cluster(program: Path, folder: Path, config: Path = CONFIG) -> Iterator[list[Node]]:
    """Start the nodes, and end them.

    Args:
        program: Of NATS.
        folder: For their data.
        config: The one that is shipped, or one that was made of it.
    """
    ports = _free_ports(3 * NODES)
    between = ports[2 * NODES :]
    routes = ", ".join(f"nats://127.0.0.1:{port}" for port in between)
    nodes = []
    for number in range(NODES):
        own = folder / f"nats-{number + 1}"
        own.mkdir()
        environ = {
            "NODE": f"n{number + 1}",
            "DATA": str(own / "data"),
            "CLIENT_LISTEN": f"127.0.0.1:{ports[NODES + number]}",
            "CLUSTER_LISTEN": f"127.0.0.1:{between[number]}",
            "MQTT_LISTEN": f"127.0.0.1:{ports[number]}",
            "ROUTES": f"[{routes}]",
            "TENUTO_PASSWORD": PASSWORD,
            "HOMEASSISTANT_PASSWORD": PASSWORD,
        }
        nodes.append(Node(program, own, ports[number], config, environ))
    try:
        for node in nodes:
            node.start()
        for node in nodes:
            node.wait_until_ready()
        yield nodes
    finally:
        for node in nodes:
            node.kill()
