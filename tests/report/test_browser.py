# SPDX-License-Identifier: MIT
"""Reports in a real browser: headless Chromium, at the width of a phone, by day and by night."""

from __future__ import annotations

import os
import struct
import subprocess
import zlib
from datetime import UTC
from typing import TYPE_CHECKING

import pytest

from tenuto.report import session_report
from tenuto.report.style import DAY, NIGHT
from tests.patience import patience_s
from tests.report.played import EVENING_MS, accounts, played

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

WIDTH, HEIGHT = 390, 1100


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    (told,) = accounts(folder / "h.db", played(1, EVENING_MS, trouble=True))
    path = folder / "report.html"
    path.write_text(session_report(told, zone=UTC).html, encoding="utf-8")
    return path


def browse(chromium: Path, page: Path, *options: str) -> None:
    command: list[str | Path] = [
        chromium,
        "--headless",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--user-data-dir={page.parent / 'profile'}",
        *options,
    ]
    if os.geteuid() == 0:
        command.append("--no-sandbox")  # which root cannot have
    subprocess.run(
        [*command, page.as_uri()],
        check=True,
        timeout=patience_s(60),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


Pixel = tuple[int, int, int]


def shot(chromium: Path, page: Path, *options: str) -> list[list[Pixel]]:
    """Give the pixels, row by row."""
    picture = page.with_suffix(".png")
    picture.unlink(missing_ok=True)
    browse(chromium, page, f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={picture}", *options)
    return pixels(picture.read_bytes())


def pixels(data: bytes) -> list[list[Pixel]]:
    """Decode a PNG of 8-bit RGB or RGBA, not interlaced."""
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", data[16:29])
    assert (depth, interlaced) == (8, 0)
    size = {2: 3, 6: 4}[colour]
    packed, at = b"", 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        packed += data[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += 12 + length
    raw, stride = zlib.decompress(packed), width * size
    above = bytearray(stride)
    rows = []
    for row in range(height):
        start = row * (stride + 1)
        line = bytearray(raw[start + 1 : start + 1 + stride])
        unfilter(raw[start], line, above, size)
        rows.append([(line[i], line[i + 1], line[i + 2]) for i in range(0, stride, size)])
        above = line
    return rows


def unfilter(kind: int, line: bytearray, above: bytearray, size: int) -> None:
    for i in range(len(line)):
        left = line[i - size] if i >= size else 0
        up = above[i]
        corner = above[i - size] if i >= size else 0
        if kind == 4:
            guess = left + up - corner
            add = min((left, up, corner), key=lambda value: abs(guess - value))
        else:
            add = (0, left, up, (left + up) // 2)[kind]
        line[i] = (line[i] + add) & 0xFF


def rgb(colour: str) -> Pixel:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


@pytest.mark.parametrize("colours,scheme", [(DAY, 1), (NIGHT, 0)], ids=["day", "night"])
def test_on_a_phone_all_of_it_is_seen(
    chromium: Path, page: Path, colours: object, scheme: int
) -> None:
    wanted = DAY if colours is DAY else NIGHT
    rows = shot(chromium, page, f"--blink-settings=preferredColorScheme={scheme}")
    seen = {pixel for row in rows for pixel in row}

    assert (len(rows[0]), len(rows)) == (WIDTH, HEIGHT)
    # Nothing reaches into the margins, so nothing is cut off or needs scrolling sideways.
    paper = rgb(wanted.paper)
    assert {paper} == {pixel for row in rows for pixel in (*row[:12], *row[-12:])}
    for colour in (wanted.ink, wanted.hold, wanted.heart, wanted.card):
        assert rgb(colour) in seen


def test_it_prints_on_a_few_sheets(chromium: Path, page: Path) -> None:
    pdf = page.with_suffix(".pdf")
    browse(chromium, page, "--no-pdf-header-footer", f"--print-to-pdf={pdf}")
    data = pdf.read_bytes()

    assert data.startswith(b"%PDF")
    assert 1 <= data.count(b"/Type /Page\n") + data.count(b"/Type /Page ") <= 4
