# SPDX-License-Identifier: MIT
"""The parts themselves: what the other tests take for granted."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import aiomqtt
import pytest

from tenuto.errors import TenutoError
from tests.patience import patience_s

if TYPE_CHECKING:
    from tests.conftest import RunMicroPython, StartBroker

pytestmark = pytest.mark.real_time


def test_micropython_is_the_real_one_with_a_bounded_heap(
    run_micropython: RunMicroPython, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import gc, sys, micropython\n"
        "print(sys.implementation.name, sys.argv[1:], gc.mem_free() + gc.mem_alloc() < 64 * 1024)\n"
    )

    result = run_micropython(script, "one", "two words")

    assert result.stdout == "micropython ['one', 'two words'] True\n", result.stderr
    assert result.returncode == 0


def test_micropython_reports_a_failing_script(
    run_micropython: RunMicroPython, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text("raise ValueError('on purpose')\n")

    result = run_micropython(script)

    assert result.returncode == 1
    assert "on purpose" in result.stderr + result.stdout


def test_micropython_imports_the_core(run_micropython: RunMicroPython, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import tenuto_core.plan\nprint('ok')\n")

    assert run_micropython(script, heap="128k").stdout == "ok\n"


async def test_mosquitto_carries_a_message_and_survives_a_restart(
    mosquitto_broker: StartBroker,
) -> None:
    broker = mosquitto_broker()
    for _ in range(2):
        async with (
            asyncio.timeout(patience_s(10)),
            aiomqtt.Client(broker.host, broker.port) as client,
        ):
            await client.subscribe("greeting", qos=1)
            await client.publish("greeting", b"hello", qos=1)
            message = await anext(client.messages)
            assert message.payload == b"hello"
        broker.stop()
        broker.start()


def test_mosquitto_says_what_is_wrong_with_its_configuration(
    mosquitto_broker: StartBroker,
) -> None:
    with pytest.raises(TenutoError, match="no_such_option"):
        mosquitto_broker("no_such_option true")


def test_fetching_the_parts_removes_nothing_elsewhere(tmp_path: Path) -> None:
    """Once a folder of the system was removed where npm's packages should have gone."""
    script = tmp_path / "tests" / "parts" / "fetch.sh"
    script.parent.mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("fetch.sh"), script)
    shutil.copytree(Path(__file__).with_name("npm"), script.with_name("npm"))
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, does in (("node", "exit 0"), ("npm", "mkdir node_modules"), ("apt-get", "exit 1")):
        (programs / name).write_text(f"#!/bin/sh\n{does}\n")
        (programs / name).chmod(0o755)
    log = tmp_path / "removed"
    rm = shutil.which("rm")
    (programs / "rm").write_text(f'#!/bin/sh\necho "$@" >>{log}\nexec {rm} "$@"\n')
    (programs / "rm").chmod(0o755)

    path = f"{programs}:{os.environ['PATH']}"
    subprocess.run(
        ["/bin/sh", script],
        check=True,
        env={"PATH": path, "HOME": str(tmp_path)},
        timeout=patience_s(30),
        capture_output=True,
    )

    assert (tmp_path / ".parts" / "npm" / "bin" / "node_modules_of_npm").exists()
    for line in log.read_text().splitlines():
        paths = [word for word in line.split() if not word.startswith("-")]
        assert all(Path(one).is_relative_to(tmp_path / ".parts") for one in paths), line
