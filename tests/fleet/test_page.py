# SPDX-License-Identifier: MIT
"""The page of a therapist: the central history, as far as they may see it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tenuto.fleet.postgres import CentralHistory
from tenuto.fleet.rights import grant
from tests.conftest import needs_module
from tests.fleet.server import as_user
from tests.fleet.test_one_history import join_all, room
from tests.history.sessions import whole_session

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real_time


async def test_the_page_shows_the_people_of_a_therapist(central: str, tmp_path: Path) -> None:
    for module in ("aiohttp", "playwright"):
        needs_module(module)
    from tests.web.rig import key_of, served

    async with room(tmp_path, central, "a") as a, CentralHistory(central) as owner:
        for number, name in enumerate(("ada", "eve")):
            await a.store.add(whole_session(boot_id=number, person=name))
        await a.forwarder.forward()
        await join_all(owner)
        await owner.work(lambda db: grant(db, "a_therapist", "ada"))
        hers, others = sorted(await owner.sessions(), key=lambda row: row.person or "")
    toml = (
        f'mqtt.url = "off"\nfleet.url = "{as_user(central, "a_therapist")}"\nfleet.read = true\n'
        '[[wearable]]\nid = "w"\nlink = "simulated"\n'
    )
    async with served(tmp_path, toml, connected=False) as one, one.visitor() as client:
        assert one.host.fleet.forwarder is None
        async with client.get("/history") as answer:
            found = re.findall(r'href="[^"]*history/(\d+)"', await answer.text())
        assert set(found) == {str(hers.id)}
        for path, status in (
            (f"/history/{hers.id}", 200),
            (f"/history/{hers.id}/session.csv", 200),
            ("/history/month?date=2027-01-15&person=ada", 200),
            (f"/history/{others.id}", 404),
        ):
            async with client.get(path) as answer:
                assert answer.status == status, path
        form = {"key": await key_of(client)}
        async with client.post(f"/history/{hers.id}/delete", data=form) as answer:
            assert answer.status == 404, "it was not played on this computer"
