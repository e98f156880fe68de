# SPDX-License-Identifier: MIT
"""The wheel, in an environment that has nothing but what it asks for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import textwrap
import tomllib
import zipfile
from typing import TYPE_CHECKING, NamedTuple

import pytest
import trove_classifiers
from packaging.metadata import Metadata

from tenuto import __version__
from tenuto.extras import EXTRAS
from tests.conftest import ROOT
from tests.install import empty_environment
from tests.patience import patience_s
from tests.testing.test_readme import blocks

if TYPE_CHECKING:
    from pathlib import Path

    from tests.install.empty_environment import Environment

BUILD_TIMEOUT_S = 120
DATA = "tenuto/_data"


class Built(NamedTuple):
    """What is published."""

    sdist: Path
    wheel: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The source distribution, and the wheel that is built from it without a network."""
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT],
        env=os.environ | {"PIP_NO_INDEX": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=patience_s(BUILD_TIMEOUT_S),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Built(
        folder / f"tenuto-{__version__}.tar.gz", folder / f"tenuto-{__version__}-py3-none-any.whl"
    )


@pytest.fixture(scope="module")
def bare(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment without extras."""
    return empty_environment.make(tmp_path_factory.mktemp("bare") / "venv", built.wheel)


def test_the_wheel_has_what_runs_and_nothing_else(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        names = wheel.namelist()
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"tenuto", "tenuto_core", f"tenuto-{__version__}.dist-info"}
    assert {f"{DATA}/config/tenuto.toml", f"{DATA}/firmware/code.py"} <= set(names)
    assert not [name for name in names if name.endswith((".pyc", ".whl"))]


def test_each_library_of_others_comes_with_its_licence(built: Built) -> None:
    lock = (ROOT / "requirements/firmware.lock").read_text(encoding="utf-8")
    releases = re.findall(r"^(\S+)==(\S+)", lock, re.MULTILINE)
    with zipfile.ZipFile(built.wheel) as wheel:
        for name, version in releases:
            folder = f"{DATA}/circuitpython/{name.replace('-', '_')}-{version}.dist-info"
            text = wheel.read(f"{folder}/licenses/LICENSE").decode()
            assert "Permission is hereby granted, free of charge" in text


def test_the_source_distribution_has_no_more_than_the_repository(built: Built) -> None:
    with tarfile.open(built.sdist) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    tops = {name.partition("/")[0] for name in names}
    assert tops <= {path.name for path in ROOT.iterdir()} | {"PKG-INFO"}
    assert not tops & {".venv", ".git", "dist"}
    assert {name.split("/")[1] for name in names if name.startswith(".parts/")} == {"wheels"}


def test_the_metadata_are_valid_and_name_this_version(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        text = wheel.read(f"tenuto-{__version__}.dist-info/METADATA")
    metadata = Metadata.from_email(text, validate=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.findall(r"^## \[(\d.*?)\] - \d{4}-\d\d-\d\d$", changelog, re.MULTILINE)[0]

    assert str(metadata.version) == __version__ == newest
    assert metadata.license_expression == "MIT"
    assert set(metadata.classifiers or ()) <= trove_classifiers.classifiers
    assert set(metadata.provides_extra or ()) == project["optional-dependencies"].keys()


@pytest.fixture(scope="module")
def played(bare: Environment) -> Environment:
    """The same, with a session in its history: the first routine is played there."""
    done = bare.run("tenuto", "run", "lower-back", "--speed", "max")
    assert re.search(r"^Cues +\d+ felt", done.stdout, re.MULTILINE)
    assert done.stderr == "tenuto: looking for the wearable simulated\n"
    return bare


def test_ten_lines_of_pytest_press_the_simulated_button(bare: Environment, tmp_path: Path) -> None:
    (bare.home / "test_press.py").write_text(blocks()["test_press.py"])
    pytest_alone = empty_environment.link(empty_environment.closure(["pytest"]), tmp_path)

    done = bare.run("python", "-m", "pytest", "-s", "-W", "error", also=pytest_alone)

    assert "1 passed" in done.stdout
    assert "motor 100 %" in done.stdout


def test_a_board_gets_its_firmware_from_the_wheel(bare: Environment) -> None:
    drive = bare.folder / "CIRCUITPY"
    drive.mkdir()
    (drive / "boot_out.txt").write_text(
        "Adafruit CircuitPython 10.3.1 on 2026-09-20; Adafruit Feather Bluefruit Sense with "
        "nRF52840\nBoard ID:feather_bluefruit_sense\n"
    )
    bare.run("tenuto", "firmware", "install", "--drive", str(drive))

    assert (drive / "lib/asyncio/core.py").is_file()
    assert (drive / "code.py").is_file()


def test_the_doctor_says_which_parts_are_missing(bare: Environment) -> None:
    told = bare.run("tenuto", "doctor").stdout

    assert re.search(
        r"^ok +extras: not installed: .*web \(the page in the browser\)", told, re.MULTILINE
    )
    assert 'pip install "tenuto[broker,' in told


USES = {
    "broker": """
        from tenuto.mqtt.broker import EmbeddedBroker
        async def use():
            async with EmbeddedBroker():
                pass
        asyncio.run(use())
    """,
    "esphome": "import tenuto.links.radios.esphome_radio",
    "fit": 'app(["history", "export", "1", "--format", "fit"], exit_on_error=False)',
    "fleet": "import psycopg",
    "intiface": """
        from tenuto.links.websocket import open_socket
        try:
            asyncio.run(open_socket("ws://127.0.0.1:9"))
        except LinkError:
            pass  # nobody listens there
    """,
    "report": 'app(["report", "--format", "png"], exit_on_error=False)',
    "share": 'app(["routines", "share", "lower-back", "--qr", "code.svg"], exit_on_error=False)',
    "simulator": """
        from tenuto.simulator.espruino import Espruino
        Espruino({})
    """,
    "web": "import tenuto.web.server",
}
"""What each extra is for."""
NOT_TOLD_BY_THEMSELVES = {
    "esphome": "what would use it looks first whether it is there",
    "fleet": "nothing uses it yet",
    "intiface": "bumble brings the same library",
    "web": "what would use it looks first whether it is there",
}
SNIPPET = """
import asyncio, sys
from tenuto.cli.program import app
from tenuto.errors import InputError, LinkError
try:
{use}
except InputError as error:
    print(error)
"""


def snippet(name: str) -> str:
    use = textwrap.dedent(USES[name]).strip()
    return SNIPPET.format(use=textwrap.indent(use, "    "))


def test_every_extra_is_tried() -> None:
    assert USES.keys() == EXTRAS.keys()


def test_what_needs_an_extra_says_how_to_get_it(played: Environment) -> None:
    told = [name for name in USES if name not in NOT_TOLD_BY_THEMSELVES]
    code = "\n".join(map(snippet, told))
    said = played.run("python", "-c", code).stdout

    assert re.findall(r': pip install "tenuto\[(\w+)\]"$', said, re.MULTILINE) == told


@pytest.mark.parametrize("name", USES)
def test_an_extra_is_enough_for_what_it_names(
    name: str, played: Environment, tmp_path: Path
) -> None:
    brought = empty_environment.closure(played.requirements, frozenset({name}))
    done = played.run("python", "-c", snippet(name), also=empty_environment.link(brought, tmp_path))

    assert "tenuto[" not in done.stdout
