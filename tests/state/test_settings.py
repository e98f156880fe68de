# SPDX-License-Identifier: MIT
"""What the daemon remembers besides the history."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from tenuto.errors import InputError
from tenuto.routines.adjust import Adjustment
from tenuto.sessions.commands import Preference
from tenuto.state.preferences import Preferences
from tenuto.state.settings import Announced, SettingsStore

if TYPE_CHECKING:
    from pathlib import Path


def setting(name: str, value: str | int | bool) -> Preference:
    return Preference(wearable="wrist", name=name, value=value)


async def test_what_is_set_survives_a_restart_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state.json"
    liked = Preferences()
    for name, value in (
        ("routine", "lower-back-60"),
        ("strength", 70),
        ("hold_time", 150),
        ("halfway", False),
        ("countdown", False),
    ):
        liked = liked.having(setting(name, value))
    await SettingsStore(path).prefer("wrist", liked)

    again = SettingsStore(path)
    assert again.preferences("wrist") == liked
    assert liked.adjustment == Adjustment(
        strength_pct=70, hold_pct=150, halfway=False, countdown=False
    )
    assert again.preferences("waist") == Preferences()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [item.name for item in path.parent.iterdir()] == ["state.json"]


async def test_both_halves_are_kept_side_by_side(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    announced = Announced({"battery": "sensor"}, ("tenuto/wrist/session",), {"qos": 1})
    memory = SettingsStore(path)
    await memory.remember({"topic": announced})
    await memory.prefer("wrist", Preferences(routine="mine"))
    await SettingsStore(path).remember({"other": announced})

    again = SettingsStore(path)
    assert again.announced == {"topic": announced, "other": announced}
    assert again.preferences("wrist").routine == "mine"
    await again.remember({"topic": None})
    assert set(SettingsStore(path).announced) == {"other"}


def test_what_an_older_version_kept_of_an_announcement_is_read(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text(
        '{"announced": {"t": {"components": {"b": "sensor"}, "states": ["s"], "digest": "01"}}}'
    )
    assert SettingsStore(path).announced == {"t": Announced({"b": "sensor"}, ("s",))}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"wearables": 3}',
        '{"announced": {"t": {}}}',
        "\x00",
        '{"wearables": {"w": 1}}',
    ],
)
def test_a_file_that_is_broken_costs_no_more_than_what_it_held(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "state.json"
    path.write_text(text, encoding="utf-8")

    memory = SettingsStore(path)

    assert memory.preferences("wrist") == Preferences()
    assert memory.announced == {}
    assert "begins anew" in caplog.text


async def test_a_folder_that_cannot_be_written_is_told_and_no_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    memory = SettingsStore(tmp_path / "file" / "state.json")
    await memory.prefer("wrist", Preferences(routine="mine"))

    assert memory.preferences("wrist").routine == "mine"
    assert "cannot be" in caplog.text


@pytest.mark.parametrize(
    "name,value",
    [("strength", 9), ("strength", True), ("halfway", 1), ("volume", 3), ("routine", 3)],
)
def test_what_cannot_be_set_changes_nothing(name: str, value: str | int | bool) -> None:
    with pytest.raises(InputError):
        Preferences().having(setting(name, value))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.dictionaries(
            st.sampled_from(["routine", "strength", "hold_time", "halfway", "x"]), inner
        ),
        max_leaves=8,
    ).filter(lambda item: isinstance(item, dict))
)
def test_any_json_of_preferences_is_read_as_far_as_it_makes_sense(data: dict[str, object]) -> None:
    found = Preferences.from_json(data)

    assert Preferences.from_json(found.to_json()) == found
