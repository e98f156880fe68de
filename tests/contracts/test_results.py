# SPDX-License-Identifier: MIT
"""One session on every model that can be simulated: what is told is what was felt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenuto.wearables.model import Capability
from tests.contracts.results import models, play, table

if TYPE_CHECKING:
    from pathlib import Path

    from tenuto.wearables.model import Model


@pytest.mark.slow
@pytest.mark.parametrize("model", models(), ids=lambda model: model.id)
async def test_away_for_a_minute_paused_and_resumed(model: Model, tmp_path: Path) -> None:
    result = await play(model, tmp_path)
    assert (result.reason, result.is_off, result.missing) == ("finished", True, 0)
    if Capability.PLAYS_ALONE in model.capabilities:
        assert not result.paused_by_loss
        assert result.unfelt == 0
        assert result.cues == result.due + 2, "and those of the pause and its end"
        assert result.pulses == result.pulses_told
    else:
        assert result.paused_by_loss
        assert result.unfelt > 0
        assert result.pulses >= result.pulses_told, "never told as felt and not felt"
    assert model.id in table([result])[-1]
