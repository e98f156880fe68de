# SPDX-License-Identifier: MIT
"""A build with one cue more than this one: what is old reads as before, on both sides."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from base64 import b64decode
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tenuto_core.plan import CUES_V1, Plan
from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

GOLDEN = sorted((ROOT / "tests" / "golden" / "plans").glob("*.plan"))
HISTORIES = sorted((ROOT / "tests" / "history" / "databases").glob("v*.sql"))
BREATHE = "\n[breathe]\non_off_ms = [90, 90, 90, 90, 90, 90, 90, 90, 90]\nstrength_pct = 60\n"


def told(folder: Path, *, more: bool) -> dict[str, Any]:
    """Run `told.py`, with one cue more in the core and in the vocabulary or as it is."""
    core, feel = folder / "tenuto_core", folder / "haptics.toml"
    shutil.copytree(ROOT / "firmware" / "tenuto_core", core)
    shutil.copy(ROOT / "config" / "haptics.toml", feel)
    if more:
        for name, old, new in (
            ("names.py", '    "mark",\n', '    "mark",\n    "breathe",\n'),
            ("vocab.py", "    MARK,\n) = range(11)", "    MARK,\n    BREATHE,\n) = range(12)"),
        ):
            text = (core / name).read_text(encoding="utf-8")
            assert text.count(old) == 1
            (core / name).write_text(text.replace(old, new), encoding="utf-8")
        feel.write_text(feel.read_text(encoding="utf-8") + BREATHE, encoding="utf-8")
    databases = []
    for script in HISTORIES:
        databases.append(folder / f"{script.stem}.db")
        with closing(sqlite3.connect(databases[-1])) as db:
            db.executescript(script.read_text(encoding="utf-8"))
    routine = ROOT / "config" / "routines" / "lower-back.toml"
    result = subprocess.run(
        [sys.executable, ROOT / "tests/history/told.py", routine, feel, *databases, "--", *GOLDEN],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


@pytest.fixture(scope="module")
def now(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What this build tells."""
    return told(tmp_path_factory.mktemp("now"), more=False)


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a build with one cue more tells."""
    return told(tmp_path_factory.mktemp("later"), more=True)


def test_the_later_build_has_one_cue_more(now: dict[str, Any], later: dict[str, Any]) -> None:
    assert later["cues"] == [*now["cues"], "breathe"]


def test_old_plans_read_as_before(now: dict[str, Any], later: dict[str, Any]) -> None:
    assert now["plans"] == later["plans"]


def test_old_histories_read_as_before_and_nothing_is_taken_out(
    now: dict[str, Any], later: dict[str, Any]
) -> None:
    assert now["histories"] == later["histories"]
    assert len(later["histories"]) == len(HISTORIES)
    for history in later["histories"]:
        assert history["found"] == [[], [], []]
        assert history["plans"]
        assert any("holds_completed=3" in session for session in history["sessions"])


def test_a_routine_that_does_not_use_the_new_cue_has_the_same_bytes_in_both_builds(
    now: dict[str, Any], later: dict[str, Any]
) -> None:
    assert later["compiled"] == now["compiled"]
    assert Plan(b64decode(now["compiled"]["2"])).cues_known == CUES_V1
