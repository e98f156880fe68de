# SPDX-License-Identifier: MIT
"""Whether the firmware fits into the memory of a board: the whole drive on a 32-bit interpreter."""

from __future__ import annotations

import os
import re
import subprocess
from binascii import crc32
from pathlib import Path

import pytest

from tenuto.flashing import make_bundle
from tenuto.flashing.libraries import load_libraries
from tenuto_core import vocab, wire
from tenuto_core.cobs import pack
from tests.conftest import part
from tests.firmware.test_install import own_files
from tests.firmware.test_whole import lower_back
from tests.patience import patience_s

SCRIPT = Path(__file__).with_name("whole_alone.py")
BOARD = "feather_bluefruit_sense"
CLUE_BYTES = 140 * 1024
ALLOWED_BYTES = 132 * 1024
"""What is allowed, all of it with nothing else in memory, and what there is: what is found where in
memory is a matter of chance, and differs with its size.

An nRF52840 has 256 kB. CircuitPython keeps 64 for the radio and 25 for its stack (ports/nordic,
mpconfigport.h) and some for itself; 144,080 bytes were free on a CLUE (issue 3030). There, five
hundred names that this interpreter has to keep are in the program's own flash.
"""

TAUGHT = b"from as_bytes import bytes\n"
"""CircuitPython's `bytes` asks a value for `__bytes__`, MicroPython's does not."""


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("CIRCUITPY")
    bundle = make_bundle(own_files(), load_libraries(), board_id=BOARD)
    for path, data in bundle.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        if path == "gatt.py" or path.startswith("lib/adafruit_ble/advertising/"):
            data = TAUGHT + data.replace(b"from __future__ import annotations\n", b"")  # noqa: PLW2901
        (folder / path).write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a host says to have the shipped routine played."""
    compiled = lower_back()
    said = [
        wire.encode(wire.HELLO, 1),
        wire.encode(
            wire.UPLOAD_BEGIN,
            2,
            compiled.plan_id,
            len(compiled.data),
            crc32(compiled.data) & 0xFFFFFFFF,
        ),
    ]
    for offset in range(0, len(compiled.data), 200):
        tail = compiled.data[offset : offset + 200]
        said.append(wire.encode(wire.UPLOAD_CHUNK, 3, offset, tail=tail))
    said.append(wire.encode(wire.UPLOAD_COMMIT, 4, compiled.plan_id))
    said.append(wire.encode(wire.LOG_READ, 5, 0))
    said.append(wire.encode(wire.COMMAND, 6, vocab.START, 77, compiled.plan_id, 0))
    path = tmp_path_factory.mktemp("said") / "frames"
    pieces = [pack(frame) for frame in said]
    path.write_bytes(b"".join(len(piece).to_bytes(2, "little") + piece for piece in pieces))
    return path


def run(drive: Path, frames: Path, heap_bytes: int) -> dict[str, str]:
    result = subprocess.run(
        # In the drive, for a board keeps the names of files as they are there: "lib/...".
        [part("micropython32"), "-X", f"heapsize={heap_bytes}", SCRIPT, frames],
        cwd=drive,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=patience_s(110),
        check=False,
        env={**os.environ, "MICROPYPATH": ".frozen"},
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return dict(re.findall(r"^(\w+) (.*)$", result.stdout, re.MULTILINE))


@pytest.fixture(scope="module")
def before_bytes(drive: Path, frames: Path) -> int:
    """What the stand-ins take."""
    return int(run(drive, frames, 1 << 20)["before"])


@pytest.mark.slow
@pytest.mark.parametrize("heap_bytes", [ALLOWED_BYTES, CLUE_BYTES])
def test_the_whole_firmware_begins_and_plays_in_what_a_board_has(
    drive: Path, frames: Path, before_bytes: int, heap_bytes: int
) -> None:
    told = run(drive, frames, heap_bytes + before_bytes)

    assert told["cues"].split()[0] == "64"
    assert int(told["cues"].split()[-1]) <= 2, "late, by the band's own statistics"
    assert "MemoryError" not in str(told)
