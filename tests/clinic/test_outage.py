# SPDX-License-Identifier: MIT
"""What dies in two rooms while people play there, in real time; see `outage`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.clinic.outage import BANDS, Outage
from tests.conftest import part
from tests.processes import user

if TYPE_CHECKING:
    from tests.fleet.server import PostgresServer


@pytest.mark.slow
@pytest.mark.real_time
async def test_the_history_is_whole_whatever_dies(postgres: PostgresServer) -> None:
    nats = part("nats-server")
    with user() as folder:
        outcome = await Outage(folder, postgres, nats, print).play()
    assert outcome.sessions == BANDS
    assert outcome.history.count("finished") == BANDS
    assert all(room in outcome.status for room in ("room-a", "room-b"))
