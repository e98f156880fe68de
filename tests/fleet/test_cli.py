# SPDX-License-Identifier: MIT
"""`tenuto fleet`, as the owner of the database runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from tenuto import cli
from tenuto.cli import fleet
from tenuto.errors import InputError
from tests.fleet.test_inbox import parcel, person, result

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real_time


@pytest.fixture
def config(central: str, tmp_path: Path) -> Path:
    """The configuration of the owner."""
    path = tmp_path / "fleet.toml"
    path.write_text(f'[fleet]\nurl = "{central}"\n')
    return path


def sent(central: str, lines: str, host: str = "a") -> None:
    with psycopg.connect(central) as db:
        db.execute("INSERT INTO inbox (host, lines) VALUES (%s, %s)", [host, lines])


def test_a_name_that_is_not_known_grants_nothing(central: str, config: Path) -> None:
    sent(central, parcel(person("0" * 16), result("0" * 16, "ada")))
    assert fleet.ingest(config=config) == 0
    with pytest.raises(InputError, match="knows no 'eve'"):
        fleet.grant("a_therapist", "ada", "eve", config=config)
    with psycopg.connect(central) as db:
        assert db.execute("SELECT * FROM sees").fetchall() == []


def test_no_name_gives_orders_to_the_terminal(
    central: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    red = "\x1b[31m"
    sent(central, parcel(person("0" * 16, f"a{red}da"), result("0" * 16, "ada")))
    sent(central, "nonsense", f"room{red}")
    fleet.ingest(config=config)
    fleet.status(config=config)
    with pytest.raises(SystemExit):
        cli.main(["fleet", "grant", "a_therapist", "eve", "--config", str(config)])
    told = "".join(capsys.readouterr())
    assert "parcel 2 of room?[31m:1: is no JSON" in told
    assert "it knows a?[31mda" in told
    assert red not in told


def test_what_was_refused_is_tried_again_when_that_is_asked(
    central: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sent(central, parcel(person("0" * 16), {"type": "lap", "of": "a newer Tenuto"}))
    assert fleet.ingest(config=config) == 1
    assert "1 parcel read, 0 new records, 1 refused" in capsys.readouterr().out
    assert fleet.ingest(config=config) == 0, "it is not tried by itself"
    assert fleet.ingest(config=config, again=True) == 1
    assert "0 parcels read, 0 new records, 0 refused\n1 parcel read" in capsys.readouterr().out
    with pytest.raises(InputError, match="--again go without files"):
        fleet.ingest(config, again=True, config=config)
