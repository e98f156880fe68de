# SPDX-License-Identifier: MIT
"""Each optional part is told apart from a fault, with the command that brings it."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import packages_distributions
from typing import TYPE_CHECKING

import pytest

from tenuto import extras
from tenuto.errors import InputError
from tenuto.extras import EXTRAS
from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DECLARED: dict[str, list[str]] = PROJECT["optional-dependencies"]


def distribution(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    assert found is not None
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def test_every_extra_is_known_and_all_names_them() -> None:
    assert EXTRAS.keys() == DECLARED.keys() - {"all"}
    assert DECLARED["all"] == [f"tenuto[{','.join(sorted(EXTRAS))}]"]


def test_the_readme_offers_only_extras_that_are_there() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme.partition("| extra | brings |")[2].partition("\n\n")[0]
    offered = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))

    assert offered
    assert offered <= EXTRAS.keys()


@pytest.mark.parametrize("name", EXTRAS)
def test_an_extra_brings_what_it_is_recognised_by(name: str) -> None:
    declared = {distribution(requirement) for requirement in DECLARED[name]}
    owners = packages_distributions()
    brought = {distribution(owner) for module in EXTRAS[name].modules for owner in owners[module]}

    assert brought == declared
    assert EXTRAS[name].is_installed


def test_an_extra_is_there_when_all_of_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: 1 if name == "aiohttp" else None)

    assert not EXTRAS["web"].is_installed


def test_a_part_that_is_missing_is_told_with_its_command() -> None:
    with (
        pytest.raises(InputError, match=r'^PNG needs the extra `report`: .*"tenuto\[report\]"$'),
        extras.needed("report", "PNG"),
    ):
        import_module("no_such_module")


def test_a_fault_of_our_own_is_not_taken_for_a_missing_part() -> None:
    with pytest.raises(ModuleNotFoundError), extras.needed("report", "PNG"):
        import_module("tenuto.no_such_module")


@dataclass
class Installed:
    """An installed Tenuto that came from somewhere, and the function that finds it."""

    origin: dict[str, object]

    def __call__(self, _name: str) -> Installed:
        return self

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return json.dumps(self.origin) if self.origin else None


@pytest.mark.parametrize(
    "origin, source",
    [
        ({}, ""),
        ({"url": "file:///a/tenuto.whl", "archive_info": {}}, " @ file:///a/tenuto.whl"),
        ({"url": "file:///a/tenuto", "dir_info": {}}, " @ file:///a/tenuto"),
        ({"url": "file:///a/tenuto", "dir_info": {"editable": True}}, ""),
        ({"url": "https://b/t.git", "vcs_info": {"vcs": "git"}}, " @ git+https://b/t.git"),
    ],
)
def test_a_tool_that_makes_it_anew_takes_it_from_where_it_came(
    origin: dict[str, object], source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda _name: None)
    monkeypatch.setattr(extras, "distribution", Installed(origin))
    (tmp_path / "uv-receipt.toml").touch()

    command = extras.install_command("fit", prefix=tmp_path)
    assert command == f'uv tool install "tenuto[fit]{source}"'


@pytest.mark.parametrize(
    "mark, command",
    [
        (None, 'pip install "tenuto[fit,web]"'),
        ("pipx_metadata.json", 'pipx install --force "tenuto[broker,fit,web]"'),
        ("uv-receipt.toml", 'uv tool install "tenuto[broker,fit,web]"'),
    ],
)
def test_the_command_is_that_of_the_installation_and_keeps_what_is_there(
    mark: str | None, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: 1 if name == "amqtt" else None)
    monkeypatch.setattr(extras, "distribution", Installed({}))
    if mark is not None:
        (tmp_path / mark).touch()

    assert extras.install_command("web", "fit", prefix=tmp_path) == command
