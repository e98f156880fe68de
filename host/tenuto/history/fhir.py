# SPDX-License-Identifier: MIT
"""Sessions and prescriptions as a FHIR R4 bundle.  Pure.

An Observation of each session, a CarePlan of each prescription and a Patient for each person. A
session that is of the routine and of the days of a prescription is based on it.

What is told is how long was held, of how many holds, and the heart rate where one is known. The
codes are LOINC's for the duration of exercise and for the heart rate; units are UCUM's. A session
of a simulated wearable has the tag for test data.
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, TextIO

from .adherence import day_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import tzinfo

    from .prescription import Prescription
    from .timeline import Outline

_NAMESPACE = uuid.UUID("5b0d2a52-3f0f-5c80-8a4e-1a2f7f6b9c3d")
_LOINC = "http://loinc.org"
_UCUM = "http://unitsofmeasure.org"
_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
_TEST_DATA = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}
_DURATION = {
    "coding": [{"system": _LOINC, "code": "55411-3", "display": "Exercise duration"}],
    "text": "Held in a stretching session",
}


def write_bundle(
    sessions: Iterable[Outline],
    file: TextIO,
    prescriptions: Sequence[Prescription] = (),
    today: date = date.max,
    zone: tzinfo | None = None,
    *,
    all_prescriptions: bool = True,
) -> None:
    """Write a bundle, an entry a line; the ids in it stay the same from export to export.

    Args:
        sessions: What was done.
        file: Where it goes.
        prescriptions: What is prescribed and was.
        today: The present day, for what of that goes on.
        zone: What days are counted in; None for that of this computer.
        all_prescriptions: Whether also those of which no session was done.
    """
    file.write('{"resourceType": "Bundle", "type": "collection"')
    before = ', "entry": [\n'
    for entry in _entries(sessions, prescriptions, today, zone, is_whole=all_prescriptions):
        file.write(before + json.dumps(entry, ensure_ascii=False, allow_nan=False))
        before = ",\n"
    # FHIR allows no empty lists.
    file.write("}\n" if before.startswith(", ") else "\n]}\n")


def _entries(
    sessions: Iterable[Outline],
    prescriptions: Sequence[Prescription],
    today: date,
    zone: tzinfo | None,
    *,
    is_whole: bool,
) -> Iterator[dict[str, Any]]:
    """Yield sessions, then what was prescribed, then whose it is: as it becomes known."""
    prescribed: dict[tuple[str | None, str | None], list[Prescription]] = {}
    for one in prescriptions:
        prescribed.setdefault((one.person, one.routine), []).append(one)
    people: set[str | None] = set()
    done: set[str] = set()
    for told in sessions:
        row = told.row
        based_on: list[Prescription] = []
        if (known := prescribed.get((row.person, row.routine))) and not row.is_simulated:
            day = day_of(row.started_utc_ms, zone)
            based_on = [one for one in known if one.first <= day <= one.until(zone)]
        people.add(row.person)
        done.update(one.id for one in based_on)
        yield _entry(_observation(told, based_on))
    for one in prescriptions:
        if is_whole or one.id in done:
            people.add(one.person)
            yield _entry(_care_plan(one, today, zone))
    for person in sorted(person for person in people if person is not None):
        yield _entry(_patient(person))


def _entry(resource: dict[str, Any]) -> dict[str, Any]:
    return {"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource}


def _patient(person: str) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": _patient_id(person),
        "identifier": [{"system": "urn:tenuto:person", "value": person}],
    }


def _patient_id(person: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"person {person}"))


def _care_plan(one: Prescription, today: date, zone: tzinfo | None) -> dict[str, Any]:
    until = one.until(zone)
    # One that was ended on its first day held on none; a period has to have one.
    period = {"start": one.first.isoformat(), "end": max(one.first, until).isoformat()}
    repeat = {
        "boundsPeriod": period,
        "frequency": one.times_a_week,
        "period": 1,
        "periodUnit": "wk",
    } | ({"dayOfWeek": list(one.days)} if one.days else {})
    status, of_detail = "active", "scheduled" if today < one.first else "in-progress"
    if until < today or until < one.first:
        is_whole = until == one.last
        status, of_detail = ("completed",) * 2 if is_whole else ("revoked", "stopped")
    detail = {
        "kind": "ServiceRequest",
        "code": {"text": one.title},
        "status": of_detail,
        "scheduledTiming": {"repeat": repeat},
        "description": f"{one.title}, {one.when}",
    }
    plan = {
        "resourceType": "CarePlan",
        "id": _care_plan_id(one),
        "status": status,
        "intent": "plan",
        "title": one.title,
        "subject": {"reference": f"urn:uuid:{_patient_id(one.person)}"},
        "period": period,
        "created": _utc(one.assigned_utc_ms),
        "activity": [{"detail": detail}],
    }
    if one.assigned_by:
        plan["author"] = {"display": one.assigned_by}
    if one.note:
        plan["note"] = [{"text": one.note}]
    return plan


def _care_plan_id(one: Prescription) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"prescription {one.id}"))


def _observation(told: Outline, prescriptions: Sequence[Prescription]) -> dict[str, Any]:
    row, summary = told.row, told.summary
    key = row.key
    components = [_count("Holds completed", summary.holds_completed)]
    if summary.holds_planned is not None:
        components.append(_count("Holds planned", summary.holds_planned))
    if summary.bpm_mean is not None and summary.bpm_max is not None:
        components.append(_heart_rate("Heart rate, mean", round(summary.bpm_mean)))
        components.append(_heart_rate("Heart rate, highest", summary.bpm_max))
    observation = {
        "resourceType": "Observation",
        "id": str(uuid.uuid5(_NAMESPACE, f"session {key.device} {key.boot_id} {key.seq}")),
        "status": "preliminary" if row.reason is None else "final",
        "category": [{"coding": [{"system": _CATEGORY, "code": "activity"}]}],
        "code": _DURATION,
        "effectivePeriod": {
            "start": _utc(row.started_utc_ms),
            "end": _utc(told.utc_ms(told.duration_ms)),
        },
        "valueQuantity": _quantity(round(summary.held_ms / 60_000, 2), "min", "min"),
        "component": components,
    }
    if row.person is not None:
        observation["subject"] = {"reference": f"urn:uuid:{_patient_id(row.person)}"}
    if row.routine is not None:
        observation["note"] = [{"text": f"Routine: {row.routine}"}]
    if prescriptions:
        observation["basedOn"] = [
            {"reference": f"urn:uuid:{_care_plan_id(one)}"} for one in prescriptions
        ]
    if row.is_simulated:
        observation["meta"] = {"tag": [_TEST_DATA]}
    return observation


def _count(text: str, value: int) -> dict[str, Any]:
    return {"code": {"text": text}, "valueQuantity": _quantity(value, "holds", "1")}


def _heart_rate(text: str, bpm: int) -> dict[str, Any]:
    coding = [{"system": _LOINC, "code": "8867-4", "display": "Heart rate"}]
    value = _quantity(bpm, "beats/minute", "/min")
    return {"code": {"coding": coding, "text": text}, "valueQuantity": value}


def _quantity(value: float, unit: str, code: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "system": _UCUM, "code": code}


def _utc(utc_ms: int) -> str:
    moment = datetime.fromtimestamp(utc_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
