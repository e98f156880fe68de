# SPDX-License-Identifier: MIT
"""The plugin as another project meets it: by its entry point, in a folder that knows nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.patience import patience_s
from tests.testing.test_readme import blocks

ROOT = Path(__file__).resolve().parents[2]

UNUSED = """
import sys
import warnings

HEAVY = {"aiohttp", "amqtt", "asyncio", "bleak", "bumble", "tenuto.event_loops"}
BEFORE = HEAVY & set(sys.modules)
OURS = {name for name in sys.modules if name.partition(".")[0] == "tenuto"}

def test_a_project_that_does_not_use_it_pays_nothing(request):
    assert request.config.pluginmanager.has_plugin("tenuto")
    assert BEFORE <= {"asyncio"}  # of other plugins
    assert OURS == {"tenuto", "tenuto.testing", "tenuto.testing.plugin"}
"""
WITHOUT_PLUGINS = """
import asyncio
import pytest

@pytest.fixture
def ready(tenuto_band):
    tenuto_band.load()
    return tenuto_band

async def test_in_virtual_time(ready, tenuto_world):
    ready.press(after_s=600)
    before_s = tenuto_world.now_s
    await asyncio.sleep(599)
    assert not ready.is_playing
    await tenuto_world.wait_until(lambda: ready.is_playing)
    assert 600 < tenuto_world.now_s - before_s < 602

class TestOfAClass:
    @pytest.mark.parametrize("seed", [1, 2])
    @pytest.mark.tenuto_world(seed=4)
    async def test_a_method(self, tenuto_band, tenuto_world, seed):
        assert tenuto_world.world.seed == 4
        tenuto_band.let_in()
        await asyncio.sleep(5)
        assert tenuto_band.pulses
"""
STRICT = """
import asyncio
import pytest
import pytest_asyncio

@pytest_asyncio.fixture
async def own_loop():
    return asyncio.get_running_loop()

@pytest.mark.asyncio
async def test_of_the_project_itself(own_loop):
    assert asyncio.get_running_loop() is own_loop
    assert type(own_loop).__name__ != "VirtualEventLoop"

@pytest.mark.asyncio
async def test_with_the_mark_of_another_plugin(tenuto_band):
    assert type(asyncio.get_running_loop()).__name__ == "VirtualEventLoop"
    await asyncio.sleep(600)

async def test_without_it(tenuto_band):
    await asyncio.sleep(600)

@pytest.mark.asyncio
async def test_that_fails(tenuto_band):
    assert await asyncio.sleep(1, "seen") == "expected"

@pytest.mark.parametrize("_", [1])
async def test_that_has_no_plugin(_):
    raise RuntimeError("nobody runs it")
"""


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run pytest there, with the entry points of this package as an installer writes them."""
    site = folder / "site"
    info = site / "tenuto_plugin-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tenuto-plugin\nVersion: 1\n")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    points = project["entry-points"]["pytest11"]
    lines = "\n".join(f"{name} = {place}" for name, place in points.items())
    (info / "entry_points.txt").write_text(f"[pytest11]\n{lines}\n")
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *options],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": ""},
        capture_output=True,
        text=True,
        timeout=patience_s(60),
        check=False,
    )


@pytest.mark.slow
def test_without_any_other_plugin_and_without_cost_when_unused(tmp_path: Path) -> None:
    (tmp_path / "test_0_unused.py").write_text(UNUSED)
    (tmp_path / "test_without.py").write_text(WITHOUT_PLUGINS)
    (tmp_path / "test_press.py").write_text(blocks()["test_press.py"])
    others = [f"-pno:{name}" for name in ("asyncio", "anyio", "randomly", "xdist")]

    done = run(tmp_path, *others, "--strict-markers", "-s")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout
    assert "motor 100 %" in done.stdout


@pytest.mark.slow
def test_beside_pytest_asyncio_whose_mode_stays(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(STRICT)
    own = ("-o", "asyncio_default_fixture_loop_scope=function", "-p", "no:randomly")

    done = run(tmp_path, *own)

    assert "2 failed, 3 passed" in done.stdout, done.stdout + done.stderr
    assert "'seen' == 'expected'" in done.stdout, "a failure is shown as always"
    assert "async def functions are not natively supported" in done.stdout
