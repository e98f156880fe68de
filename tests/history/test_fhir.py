# SPDX-License-Identifier: MIT
"""Sessions as FHIR, read by a library that knows what FHIR allows: R4B, its nearest to R4."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC
from typing import TYPE_CHECKING, Any

from fhir.resources.R4B.bundle import Bundle

from tenuto.history import Store
from tenuto.history.fhir import write_bundle
from tenuto.history.timeline import account
from tenuto_core import vocab
from tests.history.prescribed import MONDAY, prescription
from tests.history.sessions import HOLD_MS, UTC_MS, Band, eventful_session, whole_session

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tenuto.history.timeline import Outline


def bundle(sessions: Sequence[Outline], *more: Any) -> str:
    file = io.StringIO()
    write_bundle(sessions, file, *more)
    return file.getvalue()


async def test_sessions_are_observations_of_their_people(tmp_path: Path) -> None:
    begun = Band(boot_id=9, person=None)
    begun.do(vocab.START)
    begun.pass_ms(20_000)
    simulated = [replace(one, is_simulated=True) for one in whole_session(boot_id=3, person="eve")]
    async with Store(tmp_path / "h.db") as store:
        for session in (whole_session(), eventful_session(boot_id=2), simulated, begun.entries()):
            await store.add(session)
        told = [account(one) for one in await store.between(0, 1 << 60)]
    text = bundle(told)

    read: Any = Bundle.model_validate_json(text)

    resources = [entry.resource for entry in read.entry]
    patients = {
        one.id: one.identifier[0].value for one in resources if one.get_resource_type() == "Patient"
    }
    assert sorted(patients.values()) == ["ada", "eve"]
    assert len({entry.fullUrl for entry in read.entry}) == len(read.entry)
    found = [one for one in resources if one.get_resource_type() == "Observation"]
    assert len(found) == 4
    whole = next(
        one
        for one, its in zip(found, told, strict=True)
        if its.row.key == whole_session()[0].session
    )
    assert whole.subject.reference.removeprefix("urn:uuid:") in patients
    assert float(whole.valueQuantity.value) * 60_000 == 3 * HOLD_MS
    assert whole.status == "final"
    values = {one.code.text: float(one.valueQuantity.value) for one in whole.component}
    assert values["Holds completed"] == values["Holds planned"] == 3
    assert values["Heart rate, highest"] == 71
    assert sorted(one.status for one in found) == ["final", "final", "final", "preliminary"]
    assert [one.meta.tag[0].code for one in found if one.meta] == ["HTEST"]
    assert sum(one.subject is None for one in found) == 1
    assert text == bundle(told), "ids stay the same"


def test_nothing_is_a_bundle_too() -> None:
    empty: Any = Bundle.model_validate_json(bundle([]))
    assert empty.entry is None


async def test_prescriptions_are_care_plans_on_which_sessions_are_based(tmp_path: Path) -> None:
    mine = prescription(note="slowly", assigned_by="Dr Curie")
    others = (
        prescription(id="1" * 16, person="eve", days=(), times_a_week=2),
        prescription(id="2" * 16, routine="another", ended_utc_ms=UTC_MS),
        prescription(id="3" * 16, last=MONDAY),
        prescription(id="4" * 16, ended_utc_ms=0),
    )
    earlier = whole_session(boot_id=3, boot_utc_ms=UTC_MS - 7 * 86_400_000)
    simulated = [replace(one, is_simulated=True) for one in whole_session(boot_id=4)]
    async with Store(tmp_path / "h.db") as store:
        for session in (earlier, whole_session(), simulated, whole_session(boot_id=2, person=None)):
            await store.add(session)
        told = [account(one) for one in await store.between(0, 1 << 60)]
    today = MONDAY.replace(day=16)
    text = bundle(told, (mine, *others), today, UTC)

    read: Any = Bundle.model_validate_json(text)

    resources = [entry.resource for entry in read.entry]
    patients = {
        one.id: one.identifier[0].value for one in resources if one.get_resource_type() == "Patient"
    }
    plans = [one for one in resources if one.get_resource_type() == "CarePlan"]
    assert [
        (one.status, one.activity[0].detail.status, patients[one.subject.reference[9:]])
        for one in plans
    ] == [
        ("active", "in-progress", "ada"),
        ("active", "in-progress", "eve"),
        ("revoked", "stopped", "ada"),
        ("completed", "completed", "ada"),
        ("revoked", "stopped", "ada"),
    ]
    plan = plans[0]
    assert (plan.author.display, plan.note[0].text, plan.title) == (
        "Dr Curie",
        "slowly",
        "Lower back",
    )
    repeat = plan.activity[0].detail.scheduledTiming.repeat
    assert repeat.dayOfWeek == ["mon", "wed", "fri"]
    assert (repeat.boundsPeriod.start, repeat.boundsPeriod.end) == (mine.first, mine.last)
    assert (repeat.frequency, float(repeat.period), repeat.periodUnit) == (3, 1, "wk")
    repeat = plans[1].activity[0].detail.scheduledTiming.repeat
    assert (repeat.dayOfWeek, repeat.frequency) == (None, 2)
    based_on = [
        [one.reference for one in found.basedOn or ()]
        for found in resources
        if found.get_resource_type() == "Observation"
    ]
    assert sorted(based_on) == [[], [], [], [f"urn:uuid:{plan.id}"]]
