# SPDX-License-Identifier: MIT
"""Every package that Tenuto runs on has a licence that goes with Tenuto's, and is listed."""

from __future__ import annotations

import importlib.util
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import ROOT

if TYPE_CHECKING:
    from types import ModuleType

LIST = ROOT / "requirements/LICENSES.md"
PERMISSIVE = {
    *("Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "PSF-2.0"),
}
REPLACEABLE = {"LGPL-2.1-or-later", "LGPL-3.0-only", "MPL-2.0"}
"""Their own files stay under them; what imports them does not."""


@pytest.fixture(scope="module")
def licences() -> ModuleType:
    spec = importlib.util.spec_from_file_location("licences", ROOT / "requirements/licences.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def listed() -> dict[str, str]:
    rows = re.findall(r"^\| ([\w-]+) \| (.+?) \|", LIST.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: licence for name, licence in rows if name != "package"}


def test_the_list_has_just_what_the_locks_have(licences: Any) -> None:
    locked = licences.packages("run.lock") | licences.packages("firmware.lock")

    assert listed().keys() == locked.keys(), "run make licences"


def test_the_list_says_what_the_packages_say(licences: Any) -> None:
    for name, licence in listed().items():
        here = licences.installed(name)
        if here is not None:
            assert licence == licences.licence(here), f"{name}: run make licences"


def test_each_licence_goes_with_that_of_tenuto() -> None:
    for name, licence in listed().items():
        choices = [set(one.split(" AND ")) for one in licence.split(" OR ")]
        assert any(one <= PERMISSIVE | REPLACEABLE for one in choices), f"{name}: {licence}"
