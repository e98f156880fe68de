# SPDX-License-Identifier: MIT
"""Draws the pictures of a session for README, by day and by night.

`python -m tests.report.picture`
"""

from __future__ import annotations

import tempfile
from datetime import UTC
from pathlib import Path

from tenuto import report
from tenuto.report import session_report
from tenuto.report.style import DAY, NIGHT
from tests.report.played import EVENING_MS, accounts, played

FOLDER = Path(report.__file__).parent
COLOURS = {"session.svg": DAY, "session-dark.svg": NIGHT}


def draw() -> dict[str, str]:
    """Give the pictures of one evening, with a pause, a skip and a stop in it, by their names."""
    with tempfile.TemporaryDirectory() as folder:
        (told,) = accounts(Path(folder, "h.db"), played(1, EVENING_MS, trouble=True))
    made = session_report(told, zone=UTC)
    return {name: made.svg(colours) for name, colours in COLOURS.items()}


if __name__ == "__main__":
    for name, svg in draw().items():
        (FOLDER / name).write_text(svg, encoding="utf-8")
