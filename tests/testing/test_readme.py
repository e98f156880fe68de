# SPDX-License-Identifier: MIT
"""The examples of the public README are the files that are checked and run here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent / "examples"
README = Path(__file__).resolve().parents[2] / "host" / "tenuto" / "testing" / "README.md"


def shown(path: Path) -> str:
    """A file as a user writes it."""
    text = path.read_text(encoding="utf-8").partition("\n")[2]
    return f"# {path.name}\n" + text.replace("from tests.testing.examples.", "from ")


def blocks() -> dict[str, str]:
    """The examples of the README by their names."""
    text = README.read_text(encoding="utf-8")
    found = re.findall(r"```python\n(# (\w+\.py)\n.*?)```", text, re.DOTALL)
    return {name: block for block, name in found}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_is_the_file_that_is_run(path: Path) -> None:
    assert blocks()[path.name] == shown(path)


def test_every_fixture_and_every_name_is_in_the_readme() -> None:
    from tenuto import testing
    from tenuto.testing import plugin

    text = README.read_text(encoding="utf-8")
    fixtures = [name for name in vars(plugin) if name.startswith("tenuto_")]
    assert fixtures
    for name in fixtures:
        assert f"| `{name}` |" in text, name
    for name in testing.__all__:
        assert getattr(testing, name) is not None
