# SPDX-License-Identifier: MIT
"""Sessions as a FHIR R4 bundle: an Observation of each, and a Patient for each person.  Pure.

What is told is how long was held, of how many holds, and the heart rate where one is known. The
codes are LOINC's for the duration of exercise and for the heart rate; units are UCUM's. A session
of a simulated wearable has the tag for test data.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .timeline import Account

_NAMESPACE = uuid.UUID("5b0d2a52-3f0f-5c80-8a4e-1a2f7f6b9c3d")
_LOINC = "http://loinc.org"
_UCUM = "http://unitsofmeasure.org"
_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
_TEST_DATA = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}
_DURATION = {
    "coding": [{"system": _LOINC, "code": "55411-3", "display": "Exercise duration"}],
    "text": "Held in a stretching session",
}


def bundle(accounts: Sequence[Account]) -> dict[str, Any]:
    """Return a bundle of sessions; the ids in it stay the same from export to export."""
    people = sorted({told.row.person for told in accounts if told.row.person is not None})
    entries = [_entry(_patient(person)) for person in people]
    entries += [_entry(_observation(told)) for told in accounts]
    # FHIR allows no empty lists.
    return {"resourceType": "Bundle", "type": "collection"} | (
        {"entry": entries} if entries else {}
    )


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


def _observation(told: Account) -> dict[str, Any]:
    row, summary = told.row, told.summary
    key = row.key
    beats = [sample.bpm for sample in told.samples]
    components = [_count("Holds completed", summary.holds_completed)]
    if summary.holds_planned is not None:
        components.append(_count("Holds planned", summary.holds_planned))
    if beats:
        components.append(_heart_rate("Heart rate, mean", round(sum(beats) / len(beats))))
        components.append(_heart_rate("Heart rate, highest", max(beats)))
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
