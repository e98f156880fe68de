# SPDX-License-Identifier: MIT
"""Sessions as FHIR, read by a library that knows what FHIR allows: R4B, its nearest to R4."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fhir.resources.R4B.bundle import Bundle

from tenuto.history import Store
from tenuto.history.fhir import bundle
from tenuto.history.timeline import account
from tenuto_core import vocab
from tests.history.sessions import HOLD_MS, Band, eventful_session, whole_session

if TYPE_CHECKING:
    from pathlib import Path


async def test_sessions_are_observations_of_their_people(tmp_path: Path) -> None:
    begun = Band(boot_id=9, person=None)
    begun.do(vocab.START)
    begun.pass_ms(20_000)
    simulated = [replace(one, is_simulated=True) for one in whole_session(boot_id=3, person="eve")]
    async with Store(tmp_path / "h.db") as store:
        for session in (whole_session(), eventful_session(boot_id=2), simulated, begun.entries()):
            await store.add(session)
        told = [account(one) for one in await store.between(0, 1 << 60)]
    text = json.dumps(bundle(told))

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
    assert text == json.dumps(bundle(told)), "ids stay the same"


def test_nothing_is_a_bundle_too() -> None:
    empty: Any = Bundle.model_validate(bundle([]))
    assert empty.entry is None
