# SPDX-License-Identifier: MIT
"""Sessions as Open mHealth data points: physical activity and heart rate.  Pure.

Schemas `omh:data-point:1.0`, `omh:physical-activity:1.2` and `omh:heart-rate:2.0` of
openmhealth.org; each session gives one activity, each known heart rate one point.
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from tenuto.sessions.device import NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .timeline import Account

_NAMESPACE = uuid.UUID("9f3a4a6e-6d44-5d0b-9d53-6f7d0f6f7a11")
ACTIVITY = ("omh", "physical-activity", "1.2")
HEART_RATE = ("omh", "heart-rate", "2.0")
_SOURCE = "Tenuto"


def write_points(sessions: Iterable[Account], file: TextIO) -> None:
    """Write the data points of sessions as one list in JSON, a point a line."""
    before = "[\n"
    for told in sessions:
        for point in data_points(told):
            file.write(before + json.dumps(point, ensure_ascii=False, allow_nan=False))
            before = ",\n"
    file.write("[]\n" if before.startswith("[") else "\n]\n")


def data_points(told: Account) -> Iterator[dict[str, Any]]:
    """Yield the data points of a session, with ids that stay the same from export to export."""
    begin, end = told.row.started_utc_ms, told.utc_ms(told.duration_ms)
    yield _point(
        told,
        ACTIVITY,
        "activity",
        end,
        {
            "activity_name": "Stretching",
            "effective_time_frame": {
                "time_interval": {"start_date_time": _utc(begin), "end_date_time": _utc(end)}
            },
            "duration": {"value": round(told.summary.held_ms / 1000, 1), "unit": "sec"},
        },
    )
    for sample in told.samples:
        utc_ms = told.utc_ms(sample.t_ms)
        yield _point(
            told,
            HEART_RATE,
            f"heart {sample.t_ms}",
            utc_ms,
            {
                "heart_rate": {"value": sample.bpm, "unit": "beats/min"},
                "effective_time_frame": {"date_time": _utc(utc_ms)},
                "temporal_relationship_to_physical_activity": "during exercise",
            },
        )


def _point(
    told: Account, schema: tuple[str, str, str], what: str, utc_ms: int, body: dict[str, Any]
) -> dict[str, Any]:
    key = told.row.key
    namespace, name, version = schema
    device = key.device.removeprefix(NAME)  # as it was told before version 5 of the history
    own_id = uuid.uuid5(_NAMESPACE, f"{device} {key.boot_id} {key.seq} {what}")
    header: dict[str, Any] = {
        "id": str(own_id),
        "creation_date_time": _utc(utc_ms),
        "schema_id": {"namespace": namespace, "name": name, "version": version},
        "acquisition_provenance": {"source_name": f"{_SOURCE} (simulated)"}
        if told.row.is_simulated
        else {"source_name": _SOURCE, "modality": "sensed"},
    }
    if told.row.person is not None:
        header["user_id"] = told.row.person
    return {"header": header, "body": body}


def _utc(utc_ms: int) -> str:
    moment = datetime.fromtimestamp(utc_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
