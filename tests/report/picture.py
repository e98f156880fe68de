# SPDX-License-Identifier: MIT
"""Draws the picture of a session for README: `python -m tests.report.picture`."""

from __future__ import annotations

import tempfile
from datetime import UTC
from pathlib import Path

from tenuto.report import session_report
from tests.report.played import EVENING_MS, accounts, played

PICTURE = Path(__file__).resolve().parents[2] / "host" / "tenuto" / "report" / "session.svg"


def draw() -> str:
    """Give the picture of one evening, with a pause, a skip and a stop in it."""
    with tempfile.TemporaryDirectory() as folder:
        (told,) = accounts(Path(folder, "h.db"), played(1, EVENING_MS, trouble=True))
    return session_report(told, zone=UTC).svg()


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
