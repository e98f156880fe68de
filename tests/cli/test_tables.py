# SPDX-License-Identifier: MIT
from __future__ import annotations

from typing import TYPE_CHECKING

from tenuto.cli import tables

if TYPE_CHECKING:
    import pytest


def test_a_table_in_a_pipe_has_whole_lines_and_no_blanks_at_their_ends(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = tables.table("!name", ">count", "note")
    table.add_row("one", "7", "word " * 100)
    table.add_row("another", "12", "")
    tables.write(table)

    assert capsys.readouterr().out.splitlines() == [
        "name     count  note",
        f"one          7  {'word ' * 100}".rstrip(),
        "another     12",
    ]


def test_a_name_from_outside_is_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    """A device that calls itself `[/b]` once ended `tenuto scan`."""
    table = tables.table("name")
    table.add_row("[/b] :bomb: [red]x")
    tables.write(table)

    assert capsys.readouterr().out == "name\n[/b] :bomb: [red]x\n"
