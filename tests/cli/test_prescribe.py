# SPDX-License-Identifier: MIT
"""`tenuto prescribe` as it is typed."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tenuto import cli
from tests.history.sessions import keep, whole_session

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Typed = tuple[int, str, str]
TODAY = datetime.now(UTC).astimezone().date()
LAST = (TODAY + timedelta(days=60)).isoformat()
NEVER = f"{TODAY + timedelta(days=1):%A}"


@pytest.fixture
def prescribe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Typed]:
    """Types `tenuto prescribe ...`; gives the exit code, the output and the errors."""
    config = tmp_path / "tenuto.toml"
    config.write_text(
        f"[history]\npath = {json.dumps(str(tmp_path / 'history.db'))}\n"
        '[[person]]\nid = "ada"\nname = "Ada"\n[[person]]\nid = "eve"\n'
    )

    def run(*words: str) -> Typed:
        with pytest.raises(SystemExit) as ended:
            cli.main(["prescribe", *words, "--config", str(config)])
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return run


def test_what_is_prescribed_is_listed_done_and_ended(
    prescribe: Callable[..., Typed], tmp_path: Path
) -> None:
    assert prescribe("list") == (0, "Nothing is prescribed at present.\n", "")
    daily = prescribe("lower-back", "--person", "Ada", "--days", "daily", "--until", LAST)
    assert daily[:2] == (0, daily[1])
    assert "Ada: lower-back, daily, until" in daily[1]
    assert (
        prescribe(
            *(
                "breathe-six",
                "--person",
                "eve",
                "--times",
                "2",
                "--until",
                LAST,
                "--note",
                "sit well",
            )
        )[0]
        == 0
    )

    words = ("hips", "--person", "eve", "--days", "Monday, thurs", "--until", LAST)
    assert "eve: Hips, Mon, Thu, until" in prescribe(*words)[1]

    told = prescribe("list", "--person", "Ada")[1]
    assert re.search(rf"Ada +lower-back +daily +{LAST} +today +none due yet +none due yet\n", told)
    now_ms = round(datetime.now(UTC).timestamp() * 1000)
    keep(tmp_path / "history.db", whole_session(boot_utc_ms=now_ms))
    assert re.search(r"done today +1 of 1 +1 of 1\n", prescribe("list", "--person", "Ada")[1])

    told = prescribe("list")[1]
    assert re.search(r"eve +Breathing, six a minute +twice a week .*today", told)
    number = re.search(r"^(\w+): sit well$", told, re.MULTILINE)
    assert number is not None
    assert "has ended" in prescribe("end", number[1][:6])[1]
    assert "Breathing" not in prescribe("list")[1]
    assert re.search("Breathing.* ended ", prescribe("list", "--all")[1])
    assert "is over already" in prescribe("end", number[1])[2]


@pytest.mark.parametrize(
    "words, why",
    [
        (("lower-bak", "--person", "ada", "--times", "2"), "did you mean lower-back?"),
        (("lower-back", "--person", "bob", "--times", "2"), "there is ada, eve"),
        (("lower-back", "--person", "ada", "--days", "mon,tun"), 'did you mean "tue"?'),
        (("lower-back", "--person", "ada", "--days", "frigate"), "allowed is one of"),
        (
            ("lower-back", "--person", "ada", "--days", NEVER, "--until", TODAY.isoformat()),
            "there is none of the days",
        ),
        (("lower-back", "--person", "ada"), "on which days of the week, or how many"),
        (("lower-back", "--person", "ada", "--days", "mon", "--times", "2"), "either"),
        (("lower-back", "--person", "ada", "--times", "9"), "`times_a_week` is 9"),
        (("lower-back", "--person", "ada", "--times", "2", "--from", "2090-01-01"), "is before"),
        (("lower-back", "--person", "ada", "--times", "2", "--until", "soon"), "--until is 'soon'"),
        (("lower-back", "--person", "ada", "--times", "2", "--until", "2090-01-01"), "years ahead"),
        (("end", "0"), "there is no prescription '0'"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_kept(
    prescribe: Callable[..., Typed], words: tuple[str, ...], why: str
) -> None:
    until = () if "--until" in words or words[0] == "end" else ("--until", LAST)
    code, _, told = prescribe(*words, *until)

    assert (code, why in told) == (2, True), told
    assert prescribe("list", "--all")[1] == "Nothing is prescribed.\n"
