# SPDX-License-Identifier: MIT
"""`tenuto report` and `tenuto privacy` as they are typed."""

from __future__ import annotations

import json
import re
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tenuto import cli
from tests.history.sessions import keep, whole_session
from tests.report.played import DAY_MS, EVENING_MS, played

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


Typed = tuple[int, str, str]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "history.db"


@pytest.fixture
def tenuto(
    tmp_path: Path,
    database: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Typed]:
    """Types `tenuto ...` in a folder of its own; gives the exit code, the output and the errors."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    config = tmp_path / "tenuto.toml"
    if not config.exists():
        config.write_text(f"[history]\npath = {json.dumps(str(database))}\n", encoding="utf-8")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def run(*words: str) -> Typed:
        with pytest.raises(SystemExit) as ended:
            cli.main([*words, "--config", str(config)])
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return run


def files(tmp_path: Path) -> list[str]:
    return sorted(file.name for file in (tmp_path / "here").iterdir())


# --- report


def test_without_words_it_is_the_last_session_as_a_page(
    tenuto: Callable[..., Typed], database: Path, tmp_path: Path
) -> None:
    keep(database, played(1, EVENING_MS - DAY_MS), played(2, EVENING_MS))
    code, out, err = tenuto("report")

    assert (code, out) == (0, "")
    assert "tenuto-session-2.html is written" in err
    assert files(tmp_path) == ["tenuto-session-2.html"]
    page = tmp_path / "here" / "tenuto-session-2.html"
    assert "piriformis" in page.read_text(encoding="utf-8")  # from the routine that is here
    assert stat.S_IMODE(page.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "words,name,beginning",
    [
        (["1"], "tenuto-session-1.html", b"<!doctype html>"),
        (["week", "--date", "2026-11-20"], "tenuto-week-2026-11-16.html", b"<!doctype html>"),
        (["month", "--date", "2026-11-20"], "tenuto-month-2026-11.html", b"<!doctype html>"),
        (["1", "--format", "svg"], "tenuto-session-1.svg", b"<svg"),
        (["month", "--date", "2026-11-20", "--format", "png"], "tenuto-month-2026-11.png", b"\x89"),
        (["1", "-o", "mine.png"], "mine.png", b"\x89PNG"),
    ],
)
def test_what_is_named_is_made(  # noqa: PLR0917 - fixtures and parameters
    tenuto: Callable[..., Typed],
    database: Path,
    tmp_path: Path,
    words: list[str],
    name: str,
    beginning: bytes,
) -> None:
    keep(database, played(1, EVENING_MS))
    assert tenuto("report", *words)[0] == 0

    assert files(tmp_path) == [name]
    assert (tmp_path / "here" / name).read_bytes().startswith(beginning)


def test_a_report_goes_to_the_output_on_wish(
    tenuto: Callable[..., Typed], database: Path, tmp_path: Path
) -> None:
    keep(database, played(1, EVENING_MS))
    code, out, _ = tenuto("report", "--format", "svg", "-o", "-")

    assert code == 0
    assert out.startswith("<svg")
    assert files(tmp_path) == []


def test_a_month_is_that_of_one_person(
    tenuto: Callable[..., Typed], database: Path, tmp_path: Path
) -> None:
    keep(
        database,
        played(1, EVENING_MS - DAY_MS, person="ben"),
        played(2, EVENING_MS, person="ada"),
    )
    tenuto("report", "month", "--date", "2026-11-20", "-o", "ada.html")
    tenuto("report", "month", "--date", "2026-11-20", "--person", "ben", "-o", "ben.html")
    pages = {
        name: (tmp_path / "here" / f"{name}.html").read_text(encoding="utf-8")
        for name in ("ada", "ben")
    }

    for name, page in pages.items():
        assert f"{name}: " in page
        assert len(re.findall(r"<tr><td>", page.partition("<h2>Sessions")[2])) == 1


def test_people_and_wearables_are_called_by_their_names(
    tenuto: Callable[..., Typed], database: Path, tmp_path: Path
) -> None:
    config = tmp_path / "tenuto.toml"
    config.write_text(
        config.read_text(encoding="utf-8")
        + '[[person]]\nid = "ada"\nname = "Ada Lovelace"\n'
        + '[[wearable]]\nid = "wrist"\nname = "Left wrist"\nlink = "simulated"\n',
        encoding="utf-8",
    )
    keep(database, played(1, EVENING_MS))
    tenuto("report", "-o", "session.html")
    tenuto("report", "week", "--date", "2026-11-20", "--person", "ada", "-o", "week.html")
    session, week = (
        (tmp_path / "here" / f"{name}.html").read_text(encoding="utf-8")
        for name in ("session", "week")
    )

    assert ", on Left wrist, Ada Lovelace. Finished." in session
    assert "<title>Week from 16 to 22 November 2026, Ada Lovelace - Tenuto</title>" in week
    assert "Ada Lovelace: " in week


def test_zones_are_shown_where_the_person_is_known(
    tenuto: Callable[..., Typed], database: Path, tmp_path: Path
) -> None:
    config = tmp_path / "tenuto.toml"
    config.write_text(
        config.read_text(encoding="utf-8") + '[[person]]\nid = "ada"\nbirth_year = 1986\n',
        encoding="utf-8",
    )
    keep(database, played(1, EVENING_MS))
    assert tenuto("report")[0] == 0
    page = (tmp_path / "here" / "tenuto-session-1.html").read_text(encoding="utf-8")

    assert "from 90 bpm" in page  # 40 years: at most 180


@pytest.mark.parametrize(
    "words,text",
    [
        (["report", "9"], "there is no session 9"),
        (["report", "year"], "'year' is no report"),
        (["report", "month", "--date", "yesterday"], "allowed is a day such as 2026-11-20"),
        (["report", "week", "--date", "0001-01-01"], "from 1971 to 2099"),
        (["report", "month", "--date", "9999-12-31"], "from 1971 to 2099"),
        (["report", "1", "--date", "2026-11-20"], "go with week or month"),
    ],
)
def test_what_cannot_be_reported_is_told(
    tenuto: Callable[..., Typed], database: Path, tmp_path: Path, words: list[str], text: str
) -> None:
    keep(database, played(1, EVENING_MS))
    code, _, err = tenuto(*words)

    assert code == 2
    assert text in err
    assert files(tmp_path) == []


@pytest.mark.parametrize("name", ["x.pdf", "x.PDF", "x.doc", "x.jpeg"])
def test_a_file_of_another_kind_is_refused_and_not_filled_with_html(
    tenuto: Callable[..., Typed], database: Path, tmp_path: Path, name: str
) -> None:
    keep(database, whole_session())
    code, _, err = tenuto("report", "-o", str(tmp_path / name))

    assert code == 2
    assert f"{name} cannot be made: a report ends in .html, .svg or .png" in err
    assert ("in the browser" in err) == (name.lower() == "x.pdf")
    assert not (tmp_path / name).exists()


def test_before_the_first_session_it_says_what_to_do(
    tenuto: Callable[..., Typed], database: Path
) -> None:
    code, _, err = tenuto("report")

    assert code == 2
    assert "tenuto run" in err
    assert not database.exists()


def test_the_week_is_the_present_one_where_no_day_is_named(
    tenuto: Callable[..., Typed], database: Path, tmp_path: Path
) -> None:
    now_ms = round(datetime.now(UTC).timestamp() * 1000)
    keep(database, whole_session(boot_utc_ms=now_ms))
    tenuto("report", "week", "-o", "week.html")
    page = (tmp_path / "here" / "week.html").read_text(encoding="utf-8")

    assert "1 day in a row" in page


# --- privacy


def test_it_says_where_everything_is_and_what_goes_out(
    tenuto: Callable[..., Typed], database: Path
) -> None:
    keep(database, whole_session())
    code, out, _ = tenuto("privacy")

    assert code == 0
    assert str(database) in out
    assert "only you may read it" in out
    assert "to programs on this computer" in out
    assert "without the heart rate" in out


def test_it_says_when_others_may_read(tenuto: Callable[..., Typed], database: Path) -> None:
    keep(database, whole_session())
    database.chmod(0o644)

    assert "OTHERS MAY READ IT" in tenuto("privacy")[1]


def test_it_names_who_publishes_the_heart_rate_and_to_whom(
    tenuto: Callable[..., Typed], tmp_path: Path
) -> None:
    config = tmp_path / "tenuto.toml"
    config.write_text(
        '[mqtt]\nurl = "mqtt://me:secret@broker.lan"\n'
        '[[person]]\nid = "ada"\npublish_heart_rate = true\n[[person]]\nid = "ben"\n',
        encoding="utf-8",
    )
    config.chmod(0o600)
    _, out, _ = tenuto("privacy")

    assert "broker.lan:1883" in out
    assert "ada: with the heart rate" in out
    assert "ben: without the heart rate" in out
    assert "secret" not in out
    assert "below homeassistant/: the names, addresses and rooms" in out
    config.write_text('mqtt.url = "mqtt://broker.lan"\nmqtt.discovery = false\n')
    assert "below homeassistant/" not in tenuto("privacy")[1]


def test_erase_takes_all_that_tenuto_made_and_nothing_else(
    tenuto: Callable[..., Typed], database: Path, tmp_path: Path
) -> None:
    keep(database, whole_session())
    data = tmp_path / "data" / "tenuto"
    data.mkdir(parents=True)
    (data / "bonds.json").write_text("{}")
    (data / "hosted" / "tag").mkdir(parents=True)
    (data / "hosted" / "tag" / "journal").write_text("x")
    (database.parent / "history.db.damaged").write_text("x")
    (database.parent / "diary.txt").write_text("mine")
    assert tenuto("privacy", "erase")[0] == 2  # nobody to ask
    assert database.exists()

    code, out, _ = tenuto("privacy", "erase", "--yes")
    assert code == 0
    assert str(database) in out
    assert [file.name for file in database.parent.iterdir()] == ["diary.txt"]
    assert [path for path in data.rglob("*") if path.is_file()] == []
    assert (tmp_path / "tenuto.toml").exists()
    assert "nothing to erase" in tenuto("privacy", "erase")[1]


@pytest.mark.parametrize("answer,erased", [("y", True), ("", False), ("no", False)])
def test_erase_asks_a_person(
    tenuto: Callable[..., Typed],
    database: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    erased: bool,
) -> None:
    keep(database, whole_session())
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    code, _, _ = tenuto("privacy", "erase")

    assert code == (0 if erased else 3)
    assert database.exists() != erased
