# SPDX-License-Identifier: MIT
import asyncio

import pytest

from tenuto.testing import Band
from tests.testing.examples.heart_alarm import wait_for_heart_rate


@pytest.mark.usefixtures("tenuto_bleak")
async def test_the_alarm_comes_when_the_heart_beats_fast(tenuto_band: Band) -> None:
    tenuto_band.let_in()  # its wearer lets a new program in
    await asyncio.sleep(3)
    tenuto_band.heart_rate(70)
    alarm = asyncio.create_task(wait_for_heart_rate("band", 120))
    await asyncio.sleep(30)
    assert not alarm.done()

    tenuto_band.heart_rate(130)

    async with asyncio.timeout(10):
        assert await alarm == 130


@pytest.mark.usefixtures("tenuto_bleak")
async def test_the_alarm_says_that_nobody_is_in_reach(tenuto_band: Band) -> None:
    tenuto_band.walk_away()
    with pytest.raises(LookupError, match="no band in reach"):
        await wait_for_heart_rate("band", 120)
