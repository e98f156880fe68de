# SPDX-License-Identifier: MIT
"""The pytest plugin: fixtures for simulated wearables; see README.md.

pytest loads this file in every project of an environment that has Tenuto: it imports nothing
before a fixture is used, and changes nothing of how the tests of others run.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from . import Band, Broker, HciEndpoint, ProxyHouse, SimulatedHost, VirtualWorld

WORLD = "tenuto_world"
MARKER = (
    "tenuto_world(seed=0, loss=0.0, drift_ppm=0.0): what the fixture tenuto_world is made with, see"
    " tenuto.testing.VirtualWorld"
)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", MARKER)


# Not `wrapper=True`, of which older versions of pluggy know nothing: whoever has such a one must be
# able to go on with the tests of other projects.
@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None]:
    """Run an `async def` test that asks for the virtual world on the clock of that world.

    So it needs no plugin for asynchronous tests, and none that is there gets in the way.
    """
    world: Any = pyfuncitem.funcargs.get(WORLD)
    work = None if world is None else _coroutine_function(pyfuncitem.obj)
    if world is None or work is None:
        yield
        return

    def in_virtual_time(**arguments: Any) -> None:  # noqa: ANN401 - the fixtures of the test
        world.run(work(**arguments))

    before = pyfuncitem.obj
    pyfuncitem.obj = in_virtual_time
    try:
        yield
    finally:
        pyfuncitem.obj = before


def _coroutine_function(function: Any) -> Any:  # noqa: ANN401 - of any test
    """Return the `async def` that a test is; None if it is an ordinary function."""
    if inspect.iscoroutinefunction(function):
        return function
    # pytest-asyncio has wrapped it in what would run it in an event loop of its own.
    inner = getattr(function, "__wrapped__", None)
    made_by = getattr(function, "__globals__", {}).get("__name__", "")
    if made_by == "pytest_asyncio.plugin" and inspect.iscoroutinefunction(inner):
        return inner
    return None


@pytest.fixture
def tenuto_world(request: pytest.FixtureRequest) -> Iterator[VirtualWorld]:
    """A simulated world in virtual time; an `async def` test that asks for it runs in it."""
    from . import VirtualWorld  # noqa: PLC0415 - see the top

    marker = request.node.get_closest_marker(WORLD)
    with VirtualWorld(**({} if marker is None else marker.kwargs)) as world:
        yield world


@pytest.fixture
def tenuto_band(tenuto_world: VirtualWorld) -> Band:
    """A simulated band in that world, worn by nobody until `heart_rate`."""
    return tenuto_world.add_band()


@pytest.fixture
def tenuto_bleak(tenuto_world: VirtualWorld) -> Iterator[None]:
    """Lets every program that uses bleak meet that world instead of the computer's Bluetooth."""
    from . import bleak_meets  # noqa: PLC0415 - see the top

    with bleak_meets(tenuto_world):
        yield


@pytest.fixture
def tenuto_hci() -> Iterator[HciEndpoint]:
    """A world in real time whose controllers any host stack may use, by HCI over TCP."""
    from . import HciEndpoint  # noqa: PLC0415 - see the top

    with HciEndpoint() as endpoint:
        yield endpoint


@pytest.fixture
def tenuto_proxy() -> Iterator[ProxyHouse]:
    """Two rooms in real time, each with an ESPHome Bluetooth proxy on a TCP port."""
    from . import ProxyHouse  # noqa: PLC0415 - see the top

    with ProxyHouse() as house:
        yield house


@pytest.fixture
def tenuto_broker(tmp_path: Path) -> Iterator[Broker]:
    """An MQTT broker of the test's own: amqtt, or Mosquitto where that is missing."""
    from .brokers import a_broker  # noqa: PLC0415 - see the top

    folder = tmp_path / "tenuto-broker"
    folder.mkdir()
    with a_broker(folder) as broker:
        yield broker


@pytest.fixture
def tenuto_host(tenuto_broker: Broker, tmp_path: Path) -> Iterator[SimulatedHost]:
    """A whole Tenuto with a simulated band behind that broker, at 20 times the speed."""
    from . import SimulatedHost  # noqa: PLC0415 - see the top

    folder = tmp_path / "tenuto-host"
    folder.mkdir()
    with SimulatedHost(folder, tenuto_broker) as host:
        yield host
