# SPDX-License-Identifier: MIT
"""`tenuto simulate --proxies` and a Tenuto in another process, which scans through them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tests.conftest import needs_module
from tests.patience import patience_s
from tests.processes import environment, json_lines, tenuto

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_printed_goes_into_the_configuration_and_the_band_is_heard(tmp_path: Path) -> None:
    needs_module("bleak_esphome")
    words = ("simulate", "--json", "--proxies", "2", "--proxies-at", "127.0.0.1:0")
    with subprocess.Popen(
        [sys.executable, "-m", "tenuto", *words, "--listen", "127.0.0.1:0"],
        env=environment(tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as simulating:
        assert simulating.stdin is not None
        assert simulating.stdout is not None
        try:
            told = dict[str, Any]()
            keys = tmp_path / "proxy-keys.toml"
            keys.touch(mode=0o600)
            while "ready" not in told:
                event = json.loads(simulating.stdout.readline())
                told[event["event"]] = event
                if event["event"] == "proxy":
                    with keys.open("a") as file:
                        file.write(f'"{event["at"]}" = "{event["key"]}"\n')
            toml = (
                f'mqtt.url = "off"\nbluetooth.proxy_keys = "{keys}"\n'
                f'bluetooth.adapter = "{told["ready"]["adapter"]}"'
            )
            scan = tenuto("scan", "--seconds", "2", "--json", folder=tmp_path, toml=toml)
            assert [one["address"] for one in json_lines(scan.stdout)] == [
                told["address"]["address"]
            ], scan.stderr
            doctor = tenuto("doctor", folder=tmp_path, toml=toml)
            assert "works, 3 of its 3 links are free; 1 device(s) heard" in doctor.stdout
            assert doctor.stdout.count("the proxy 127.0.0.1") == 2
            simulating.stdin.write("walk room-b 1s\nwalk room-z\nwhere\n")
            simulating.stdin.flush()
            answers = [json.loads(simulating.stdout.readline()) for _ in range(3)]
            assert [answer["ok"] for answer in answers] == [True, False, True]
            assert "room-a or room-b" in answers[1]["error"]
            assert answers[2]["room"] == "room-a"
        finally:
            simulating.terminate()
            simulating.wait(timeout=patience_s(20))
