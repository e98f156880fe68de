# SPDX-License-Identifier: MIT
"""`tenuto run` while the wearable is not reached: what stands in the way is shown at once."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tenuto.config import parse
from tenuto.daemon.build import Setting
from tenuto.daemon.dispatch import Dispatcher, open_dispatcher
from tenuto.daemon.operations import RUN
from tenuto.daemon.play import REACH_TIMEOUT_S, Ended, Run
from tenuto.errors import LinkError, LinkReason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

BAND = '[[wearable]]\nid = "anna"\nlink = "ble"\naddress = "C0:00:00:00:00:01"\n'


class Waiting:
    """Somebody who waits for a session."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.shown: list[str] = []

    def show(self, text: str) -> None:
        self.shown.append(text)

    async def ask(self, text: str) -> str:
        raise AssertionError(text)

    async def tell(self, items: Any) -> None:
        raise AssertionError(items)


@pytest.fixture
async def dispatch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Dispatcher]:
    """A host with one wearable, on a computer without Bluetooth."""
    if sys.platform != "linux":
        pytest.skip("elsewhere Bluetooth cannot be taken away")
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path / 'nothing'}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    file = tmp_path / "tenuto.toml"
    file.write_text(f'mqtt.url = "off"\nhistory.path = "history.db"\n{BAND}')
    config = parse(file.read_bytes(), str(file))
    setting = Setting(config=config, speed=1.0, mqtt=False, say=lambda _text: None)
    async with open_dispatcher(setting, *config.wearables) as opened:
        yield opened


async def test_what_stands_in_the_way_is_shown_at_once_and_in_the_end(
    dispatch: Dispatcher,
) -> None:
    loop, person = asyncio.get_running_loop(), Waiting()
    running = asyncio.create_task(dispatch.call(RUN, Run(), person), name="run")
    began_s = loop.time()
    await asyncio.sleep(2)
    assert any("Bluetooth service does not run" in line for line in person.shown)
    assert any("`tenuto doctor`" in line for line in person.shown)
    with pytest.raises(LinkError, match="`tenuto doctor`") as caught:
        await running
    assert caught.value.reason is LinkReason.NO_SERVICE
    assert "tried again" not in str(caught.value)
    assert loop.time() - began_s == pytest.approx(REACH_TIMEOUT_S, abs=2)
    assert len(person.shown) == len(set(person.shown)), "each once"


async def test_who_does_not_want_to_wait_need_not(dispatch: Dispatcher) -> None:
    person = Waiting()
    running = asyncio.create_task(dispatch.call(RUN, Run(), person), name="run")
    await asyncio.sleep(5)
    person.gone.set()
    async with asyncio.timeout(2):
        assert await running == Ended("stopped")
