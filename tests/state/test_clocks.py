# SPDX-License-Identifier: MIT
"""What is remembered of clocks between runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenuto.sessions.device_clock import Skew
from tenuto.state.clocks import ClockStore

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_skew_is_there_again_after_a_restart(tmp_path: Path) -> None:
    skews = ClockStore(tmp_path / "new" / "clocks.json")
    assert skews.get("band") is None
    skews.put("band", Skew(12.3, 4.5))
    assert ClockStore(tmp_path / "new" / "clocks.json").get("band") == Skew(12.3, 4.5), "a crash"
    skews.put("band", Skew(-7.0, 2.0))
    skews.save()
    assert ClockStore(tmp_path / "new" / "clocks.json").get("band") == Skew(-7.0, 2.0)


BROKEN = ("", "[]", '{"band": 3}', '{"band": {"ppm": "x"}}', "\x00{", "[" * 100_000)
TOO_LARGE = '{"band": {"ppm": 1' + "0" * 400 + ', "sigma_ppm": 1}}'


@pytest.mark.parametrize("text", [*BROKEN, TOO_LARGE], ids=range(len(BROKEN) + 1))
def test_a_broken_file_costs_no_more_than_itself(tmp_path: Path, text: str) -> None:
    path = tmp_path / "clocks.json"
    path.write_text(text)
    assert ClockStore(path).get("band") is None


def test_impossible_values_are_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "clocks.json"
    path.write_text('{"band": {"ppm": 1e9, "sigma_ppm": 1}, "b": {"ppm": 1, "sigma_ppm": 0}}')
    assert (ClockStore(path).get("band"), ClockStore(path).get("b")) == (None, None)


async def test_a_folder_that_cannot_be_written_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    skews = ClockStore(tmp_path / "file" / "clocks.json")
    skews.put("band", Skew(1.0, 1.0))
    assert skews.get("band") == Skew(1.0, 1.0)
