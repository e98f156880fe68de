# SPDX-License-Identifier: MIT
"""How models of wearables, links and radios are added, and by other packages too."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tenuto.config import Config, History, Mqtt, Wearable, parse
from tenuto.daemon.build import Setting, open_host
from tenuto.doctor import Level
from tenuto.doctor.checks import configuration
from tenuto.errors import InputError
from tenuto.links.radios.registry import RADIOS, radio_named
from tenuto.links.registry import LINKS
from tenuto.links.scan import HEART_RATE, TENUTO, Found
from tenuto.wearables import registry
from tenuto.wearables.model import Capability
from tenuto.wearables.models import BUILT_IN
from tests.conftest import ROOT
from tests.contracts import throwaway_model
from tests.contracts.test_links import LINKS as LINK_STAGES
from tests.doctor.test_doctor import context

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tenuto.wearables.base import Driver
    from tenuto.wearables.model import BuildContext, Model

PLUG_IN = """
from dataclasses import dataclass

from tenuto.toml.rules import Whole
from tenuto.toml.tables import key
from tenuto.wearables.model import Capability, Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    spacing_ms: int = key(Whole(100, 2000), "Between two pulses.", default=600)


async def build(wearable, context):
    raise RuntimeError("not built here")


def is_one(found):
    if found.name == "crash":
        raise RuntimeError("what is this?")
    return found.name == "Doorbell"


MODEL = Model(
    id="doorbell",
    title="doorbell",
    manufacturer="nobody",
    use="rings",
    capabilities=Capability(0),
    is_one=is_one,
    links=("ble",),
    options=Options,
    build=build,
)
TAKEN = Model(
    id="band",
    title="another band",
    manufacturer="nobody",
    use="",
    capabilities=Capability(0),
    is_one=is_one,
    build=build,
)
"""
ENTRY_POINTS = """[tenuto.wearables]
broken = doorbell_for_tenuto.missing:MODEL
exits = doorbell_for_tenuto.exits:MODEL
fits = doorbell_for_tenuto:MODEL
no_model = doorbell_for_tenuto:PLUG
taken = doorbell_for_tenuto:TAKEN
"""


@pytest.fixture
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A distribution beside Tenuto's own, as pip installs it; four of its five rows are broken."""
    package = tmp_path / "doorbell_for_tenuto"
    package.mkdir()
    (package / "__init__.py").write_text(PLUG_IN + 'PLUG = "no model"\n')
    (package / "exits.py").write_text("raise SystemExit(3)\n")
    info = tmp_path / "doorbell_for_tenuto-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: doorbell-for-tenuto\nVersion: 1.0\n"
    )
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    registry.plug_ins.cache_clear()
    yield tmp_path
    registry.plug_ins.cache_clear()
    for name in [name for name in sys.modules if name.startswith("doorbell_for_tenuto")]:
        del sys.modules[name]


def wearable(more: str) -> str:
    return f'[[wearable]]\nid = "door"\nlink = "ble"\naddress = "C0:00:00:00:00:01"\n{more}\n'


@pytest.mark.usefixtures("plug_in")
def test_another_package_adds_a_model() -> None:
    assert "doorbell" in registry.models()
    heard = registry.recognize(Found(address="A", name="Doorbell"))
    assert heard is not None
    assert heard.id == "doorbell"
    (door,) = parse(wearable('model = "doorbell"'), "tenuto.toml").wearables
    assert door.options.spacing_ms == 600
    (door,) = parse(
        wearable('model = "doorbell"\noptions.spacing_ms = 900'), "tenuto.toml"
    ).wearables
    assert door.options.spacing_ms == 900


@pytest.mark.usefixtures("plug_in")
def test_what_is_wrong_with_a_plug_in_is_told_and_stops_no_other() -> None:
    told = "\n".join(registry.problems())
    for name in ("broken", "exits", "no_model", "taken"):
        assert f"the plug-in {name!r} of doorbell-for-tenuto is left out" in told
    assert "'fits'" not in told
    strap = registry.recognize(Found(address="A", name="crash", services=frozenset({HEART_RATE})))
    assert strap is not None, "a row that fails hides no other"
    assert strap.id == "heart"
    assert registry.find("band").title == "Tenuto band"


def test_a_plug_in_is_asked_only_where_it_is_needed(plug_in: Path) -> None:
    code = (
        "import sys; from tenuto.config import parse; from tenuto.wearables import registry\n"
        f"parse({wearable('')!r}, 'tenuto.toml')\n"
        "slow = {'asyncio', 'bleak', 'bumble', 'rich', 'importlib.metadata'} & set(sys.modules)\n"
        "slow |= {m for m in sys.modules if m.startswith('doorbell')}\n"
        "print(sorted(slow))"
    )
    path = f"{plug_in}:{':'.join(entry for entry in sys.path if entry)}"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=ROOT,
        env={"PYTHONPATH": path},
    )
    assert ran.stdout == "[]\n", ran.stderr


@pytest.mark.parametrize(
    "more, told",
    [
        (
            'model = "bnad"',
            "tenuto.toml:5: wearable 'door': `model` is the text 'bnad', allowed is one of ",
        ),
        ('model = "heart"', "`model` is the text 'heart', allowed is one of \"band\""),
        ("model = 3", "`model` is 3, allowed is one of"),
        ("options.spacing_ms = 1", '`options` is not for the model "band"; leave it out'),
    ],
)
def test_a_model_that_is_not_there_is_told(more: str, told: str) -> None:
    with pytest.raises(InputError) as wrong:
        parse(wearable(more), "tenuto.toml")
    assert told in str(wrong.value)


@pytest.mark.parametrize(
    "more, told",
    [
        ("options.spacing_ms = 1", "`spacing_ms` is 1, allowed is 100 to 2000"),
        ("options.pacing_ms = 500", "unknown key `pacing_ms`, did you mean `spacing_ms`?"),
    ],
)
@pytest.mark.usefixtures("plug_in")
def test_the_part_of_a_model_is_checked_as_the_rest(more: str, told: str) -> None:
    with pytest.raises(InputError) as wrong:
        parse(wearable(f'model = "doorbell"\n{more}'), "tenuto.toml")
    assert "tenuto.toml:6: wearable 'door'" in str(wrong.value)
    assert told in str(wrong.value)


@pytest.mark.usefixtures("plug_in")
def test_a_link_that_the_model_does_not_go_by_is_told() -> None:
    text = wearable('model = "doorbell"').replace('"ble"', '"serial"')
    with pytest.raises(InputError) as wrong:
        parse(text, "tenuto.toml")
    assert '`link` is "serial", and the model "doorbell" goes by "ble"' in str(wrong.value)


def test_the_readmes_table_has_each_model_and_says_what_its_row_says() -> None:
    lines = (ROOT / "README.md").read_text("utf-8").partition("## Which wearable?")[2].splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[4:] if line]
    table = rows[: next(number for number, row in enumerate(rows) if not row)]
    told = {row[1].strip("`"): (row[3], row[4]) for row in table}

    assert told == {
        model.id: tuple(
            "yes" if one in model.capabilities else "no"
            for one in (Capability.PLAYS_ALONE, Capability.STRENGTH)
        )
        for model in BUILT_IN
        if model.buzzes
    }


def test_a_scan_promises_only_what_a_row_delivers() -> None:
    heard = [
        Found(address="A", name="Bangle.js 1234"),
        Found(address="B", name="tag", services=frozenset({throwaway_model.IMMEDIATE_ALERT})),
        Found(address="C", name="InfiniTime", services=frozenset({HEART_RATE})),
        Found(address="D", services=frozenset({TENUTO, HEART_RATE})),
    ]
    told = registry.ordered(heard, everything=False)
    known = {one.address: model and model.id for one, model in told}
    assert (known["D"], known["B"]) == ("band", "alert")
    assert next(iter(known)) == "D", "what buzzes and is ours comes first"
    for one, model in told:
        assert model is not None
        assert model.build or model.build_sensor
        assert one.address in model.configuration(one.address)


@pytest.mark.usefixtures("plug_in")
async def test_doctor_tells_of_a_plug_in_that_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "tenuto.toml"
    file.write_text('[[wearable]]\nid = "wrist"\nlink = "simulated"\n')
    found = await configuration(context(parse(file.read_bytes(), str(file))))
    warned = [(text, advice) for level, text, advice in found if level is Level.WARNING]
    assert len(warned) == 4
    assert all("doorbell-for-tenuto" in text and advice for text, advice in warned)


async def test_a_model_that_cannot_be_built_stops_no_other_wearable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_wearable: Wearable, _context: BuildContext) -> Driver:
        raise RuntimeError("a mistake of the plug-in's")

    broken = replace(throwaway_model.MODEL, build=fail)
    monkeypatch.setattr(registry, "plug_ins", lambda: ({broken.id: broken}, ()))
    config = Config(
        mqtt=Mqtt(url="off"),
        history=History(path=tmp_path / "h.db"),
        wearables=(
            Wearable(id="left", model=broken.id, link="simulated"),
            Wearable(id="right", link="simulated"),
        ),
    )
    said: list[str] = []
    setting = Setting(config=config, speed=math.inf, mqtt=False, say=said.append, seed=0)
    async with open_host(setting, config.wearables, []) as host, host.running():
        await asyncio.wait_for(host.hub.supervisors["right"].connected.wait(), 60)
    assert said == [
        (
            "wearable 'left' cannot be kept: wearable 'left': its model 'throwaway' fails: "
            "RuntimeError: a mistake of the plug-in's"
        )
    ]


def test_what_it_says_to_write_is_a_configuration() -> None:
    for model in registry.models().values():
        if model.buzzes:
            (made,) = parse(model.configuration("C0:00:00:00:00:01"), "tenuto.toml").wearables
            needs_address = "address" in LINKS[made.link].needs
            address = "C0:00:00:00:00:01" if needs_address else None
            assert (made.model, made.address) == (model.id, address)


def test_every_link_is_in_the_contract_suite() -> None:
    assert len(LINK_STAGES) == len(
        [row for row in LINKS.values() if row.carries_packets and row.id != "simulated"]
    )


@pytest.mark.parametrize(
    "name, radio",
    [("default", "platform"), ("hci1", "platform"), ("bumble:tcp-client:127.0.0.1:9", "bumble")],
)
def test_an_adapter_belongs_to_one_radio(name: str, radio: str) -> None:
    assert radio_named(name) is RADIOS[radio]


@pytest.mark.parametrize("model", [one for one in BUILT_IN if one.buzzes], ids=lambda one: one.id)
def test_cues_are_fitted_to_a_motor_of_one_strength(model: Model) -> None:
    """What its row promises and what the compiler is told of its motor are the same."""
    link = "simulated" if "simulated" in model.links else model.links[0]
    feel = registry.feel(Wearable(id="wrist", model=model.id, link=link))
    has_strengths = feel is None or feel.strengths > 1
    assert has_strengths is (Capability.STRENGTH in model.capabilities)
