# SPDX-License-Identifier: MIT
"""The commands as processes, with a daemon and without, on a virtual radio in another process."""

from __future__ import annotations

import json
import signal
import sqlite3
import stat
from typing import TYPE_CHECKING

import pytest

from tenuto.control import is_possible
from tenuto.testing.brokers import free_port
from tests.patience import patience_s
from tests.processes import (
    Process,
    address,
    configure,
    json_lines,
    tenuto,
    tenuto_process,
    wearable,
    world,
)
from tests.sample_routines import SHORT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow
needs_socket = pytest.mark.skipif(not is_possible(), reason="no such sockets here")


def toml(adapter: str, *names: str) -> str:
    bands = "".join(wearable(name, address(n)) for n, name in enumerate(names, start=1))
    return f'bluetooth.adapter = "{adapter}"\n{bands}'


def command(folder: Path, *arguments: str) -> tuple[int, str, str]:
    done = tenuto(*arguments, folder=folder, toml=None)
    return done.returncode, done.stdout, done.stderr


def test_scan_pair_and_forget_without_a_daemon(folder: Path) -> None:
    with world(folder, 2) as adapter:
        configure(folder, toml(adapter, "anna"))
        code, out, err = command(folder, "scan", "--seconds", "1", "--json")
        assert code == 0, err
        found = json_lines(out)
        assert [(one["address"], one["kind"], one["wearable"]) for one in found] == [
            (address(1), "band", "anna"),
            (address(2), "band", None),
        ]
        assert found[0]["can"] == ["play", "buzz", "heart_rate"]

        code, out, err = command(folder, "scan", "--seconds", "1")
        assert code == 0, err
        assert "Tenuto band" in out
        assert "'anna' in the configuration" in out
        assert "was not heard" not in out
        assert f"tenuto pair {address(2)}" in out
        assert f'model = "band"\nlink = "ble"\naddress = "{address(2)}"' in out
        assert f'address = "{address(1)}"' not in out, "what is configured is not told again"

        away = wearable("zoe", address(9), f'heart = "{address(10)}"')
        configure(folder, toml(adapter, "anna") + away)
        code, out, err = command(folder, "scan", "--seconds", "1")
        assert code == 0, err
        assert "anna" not in out.partition("zoe")[2]
        for name in (f"zoe {address(9)}", f"the sensor of zoe {address(10)}"):
            assert f"{name} was not heard" in out, "also where others are heard"
        configure(folder, toml(adapter, "anna"))

        code, out, err = command(folder, "pair")
        assert code == 2, "there are two, and nobody to ask"
        assert address(2) in err

        code, out, err = command(folder, "pair", address(2))
        assert code == 0, err
        assert f'address = "{address(2)}"' in out
        bonds = folder / "data" / "tenuto" / "bonds.json"
        assert stat.S_IMODE(bonds.stat().st_mode) == 0o600
        assert address(2) in bonds.read_text()

        code, out, err = command(folder, "forget", address(2))
        assert code == 0, err
        assert address(2) not in bonds.read_text()


def test_without_a_radio_it_is_said(folder: Path) -> None:
    configure(folder, toml("bumble:tcp-client:127.0.0.1:1"))
    for arguments in (("scan", "--seconds", "1"), ("pair", address(1))):
        code, out, err = command(folder, *arguments)
        assert (code, out) == (1, "")
        assert "adapter" in err
        assert "Traceback" not in err


@needs_socket
def test_beside_a_daemon(folder: Path) -> None:
    """One daemon has the radio; all commands go by it."""
    with world(folder, 2) as adapter:
        configure(folder, toml(adapter, "anna"))
        with tenuto_process("daemon", folder=folder) as daemon:
            daemon.until("connected")
            code, _, err = command(folder, "daemon")
            assert code == 2
            assert f"process {daemon.process.pid}" in err

            code, out, err = command(folder, "scan", "--seconds", "1", "--json")
            assert code == 0, err
            assert [one["address"] for one in json_lines(out)] == [address(2)], "anna is taken"
            code, out, err = command(folder, "scan", "--seconds", "1")
            assert f"anna {address(1)} is connected to the daemon here" in out
            code, out, err = command(folder, "pair", address(2))
            assert code == 0, err
            code, out, err = command(folder, "pair", "anna")
            assert code == 0, err
            assert "'anna'" in out
            daemon.until("connected")
            code, out, err = command(folder, "doctor", "--json")
            found = {one["check"]: one for one in json_lines(out)}
            assert code == 0, out
            assert "anna: in reach, firmware" in found["wearables"]["text"]
            assert found["adapter"]["text"] == "the daemon has it"
            code, _, err = command(folder, "run", "nothing")
            assert code == 2, err
            code, _, err = command(folder, "run", "--wearable", "bob")
            assert code == 2, err

            with tenuto_process("run", "--json", folder=folder) as first:
                first.until('"cue"')
                with tenuto_process("run", "--json", folder=folder) as second:
                    begun = second.until("session_started")
                    assert '"lower-back"' in begun, "who joins is told how it began"
                    second.until('"heart"')
                    first.end(signal.SIGINT)
                    assert first.process.returncode == 3
                    second.rest()
                    assert second.process.returncode == 3
                    told = [json.loads(line) for line in second.said if line.startswith("{")]
                    seen = json_lines(
                        "".join(x for x in first.rest().splitlines(True) if x[0] == "{")
                    )
                    assert told == seen, "both saw the same, once"
                    assert told[-1]["event"] == "session_ended"
            code, out, err = command(folder, "history")
            assert "stopped" in out, "at once, not when the daemon gets round to it"
            assert daemon.end(signal.SIGTERM) < patience_s(2)
            assert daemon.process.returncode == 0
        code, out, err = command(folder, "scan", "--seconds", "1", "--json")
        assert [one["address"] for one in json_lines(out)] == [address(1), address(2)], err


@needs_socket
def test_a_session_outlives_the_daemon_and_the_one_who_watched(folder: Path) -> None:
    with world(folder, 1) as adapter:
        configure(folder, toml(adapter, "anna"))
        with tenuto_process("daemon", folder=folder) as daemon:
            daemon.until("connected")
            with tenuto_process("run", "--json", folder=folder) as run:
                run.until('"cue"')
                assert daemon.end(signal.SIGTERM) < patience_s(2)
                said = run.rest()
                assert run.process.returncode == 1
                assert "joins it again" in said
        with tenuto_process("daemon", folder=folder) as daemon:
            daemon.until("connected")
            with tenuto_process("run", "--json", folder=folder) as run:
                run.until("session_started")
                run.until('"cue"')
                daemon.end(signal.SIGKILL)
                assert "joins it again" in run.rest()
        # The socket of the daemon that was killed is still there, and in nobody's way.
        assert (folder / "tenuto" / "control.sock").exists()
        with tenuto_process("run", "--json", folder=folder) as run:
            run.until("session_started")
            code, _, err = command(folder, "stop")
            assert code == 0, err
            run.rest()
            assert run.process.returncode == 3
    with sqlite3.connect(folder / "history.db") as database:
        rows = database.execute("SELECT reason FROM sessions").fetchall()
    database.close()
    assert rows == [("stopped",)], "one session, through three programs"


@needs_socket
def test_a_routine_of_ones_own_is_played_to_its_end_by_the_daemon(folder: Path) -> None:
    configure(folder, "")
    short = folder / "short.toml"
    short.write_text(SHORT)
    with tenuto_process("daemon", "--speed", "20", folder=folder) as daemon:
        daemon.until("connected")
        code, out, err = command(folder, "run", str(short), "--json")
        assert code == 0, err
        events = json_lines(out)
        assert (events[0]["event"], events[0]["routine"]) == ("session_started", "short")
        assert events[-1]["reason"] == "finished"
        assert {e["exercise"] for e in events if e["event"] == "step_started"} >= {"One", "Two"}
        # Another speed is one's own world, and another configuration one's own affair.
        code, out, err = command(folder, "run", str(short), "--speed", "max", "--json")
        assert (code, json_lines(out)[-1]["reason"]) == (0, "finished"), err
        other = folder / "other.toml"
        other.write_text('history.path = "other.db"\nmqtt.url = "off"\n')
        code, out, err = command(folder, "scan", "--seconds", "1", "--config", str(other))
        assert "another configuration" in err


@needs_socket
def test_the_configuration_is_read_again(folder: Path) -> None:
    with world(folder, 3) as adapter:
        configure(folder, toml(adapter, "anna", "bob"))
        with tenuto_process("daemon", folder=folder) as daemon:
            for _ in range(2):
                daemon.until("connected")

            def reload(text: str, *, mqtt: str = "off") -> None:
                configure(folder, text, mqtt=mqtt)
                daemon.process.send_signal(signal.SIGHUP)

            reload(toml(adapter, "anna", "bob"))
            daemon.until("nothing has changed")
            reload(toml(adapter, "anna", "carl") + wearable("dora", address(3)))
            daemon.until("'carl' added")
            daemon.until("'dora' added")
            daemon.until("'bob' removed")
            for _ in range(2):
                daemon.until("connected")
            reload(toml(adapter, "anna") + 'wearable = "what"')
            daemon.until("tenuto.toml:")
            daemon.until("stays as it was")
            reload(
                toml(adapter, "anna") + 'routine = "lower-back"\n[routines]\n'.replace("[", "# ["),
                mqtt="embedded",
            )
            daemon.until("'anna' changed")
            daemon.until("[mqtt] changed: needs a restart")
            daemon.until("connected")
            assert command(folder, "run", "--wearable", "carl")[0] == 2
            assert daemon.end(signal.SIGTERM) < patience_s(2)


@needs_socket
def test_a_radio_that_is_pulled_out_and_put_in_again(folder: Path) -> None:
    port = free_port()
    configure(folder, toml(f"bumble:tcp-client:127.0.0.1:{port}", "anna"))
    with tenuto_process("daemon", folder=folder) as daemon:
        daemon.until("no_adapter")
        with world(folder, 1, port):
            daemon.until("connected")
        daemon.until("link lost")
        with world(folder, 1, port):
            # Its band remembers nothing of before, as one that was reset, or as another one.
            daemon.until("reason=bond_lost")
            assert command(folder, "forget", "anna")[0] == 0
            daemon.until("connected")
        assert daemon.end(signal.SIGTERM) < patience_s(2)


def test_processes_say_what_they_say(folder: Path) -> None:
    """The rig itself: a word that does not come is a failure with all that came."""
    configure(folder, "")
    run = Process("routines", folder=folder)
    with pytest.raises(AssertionError, match="lower-back"):
        run.until("no such word", 20)
    run.rest()
    assert run.process.stdout is not None
    run.process.stdout.close()
