# SPDX-License-Identifier: MIT
"""Records of logs that were ever written are read for ever as they were meant."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tenuto.sessions.events import Record, RecordsLost, SessionKey, to_json
from tenuto.sessions.tracker import Tracker, plan_id_of
from tenuto_core.log import unpack_record
from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

FIRST = 1
"""The number of the first record in each file."""


@pytest.mark.parametrize(
    "path", sorted((ROOT / "tests/golden/logs").glob("*.json")), ids=lambda path: path.stem
)
def test_a_golden_log_is_read_as_it_was_meant(path: Path) -> None:
    rows = json.loads(path.read_bytes())
    records = [
        Record(FIRST + index, *unpack_record(bytes.fromhex(row["record"])))
        for index, row in enumerate(rows)
    ]
    tracker = Tracker(SessionKey("wrist", 1, FIRST), None, plan_id_of(records[0]))

    for record, row in zip(records, rows, strict=True):
        told = tracker.feed(record)

        assert not any(isinstance(event, RecordsLost) for event in told), row["about"]
        meant = [] if row["event"] is None else [row["event"]]
        # A field that came later has its default.
        said = [json.loads(json.dumps(to_json(event))) for event in told]
        assert [name for event in meant for name in event if name not in said[0]] == []
        known = [{n: value for n, value in event.items() if n in meant[0]} for event in said]
        assert known == meant, row["about"]
