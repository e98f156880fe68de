# SPDX-License-Identifier: MIT
from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Protocol

import jsonschema
import pytest

from tenuto.cli.routines import app
from tenuto.errors import InputError
from tenuto.routines.sharing import shared, unshared
from tests.conftest import ROOT
from tests.sample_routines import CONFIG, SHIPPED

if TYPE_CHECKING:
    from pathlib import Path

MANY = str(ROOT / "tests" / "golden" / "many-mistakes.toml")
OWN = 'name = "{}"\ndescription = "[b]mine[/b]"\n[[exercise]]\nname = "Sit [/] still"\n'


class Run(Protocol):
    def __call__(self, *arguments: str) -> tuple[int, str]: ...


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command as a user without a configuration; gives the exit code and the output."""
    for name in ("HOME", "USERPROFILE", "APPDATA", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    for name in ("TENUTO_CONFIG", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as caught:
            app(arguments)
        return int(caught.value.code or 0), capsys.readouterr().out

    return call


@pytest.fixture
def own(tmp_path: Path) -> list[str]:
    """A user's configuration with a routine of their own and one that is wrong."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "sit.toml").write_text(OWN.format("sit"), encoding="utf-8")
    (tmp_path / "mine" / "wrong.toml").write_text("name = 1\n", encoding="utf-8")
    (tmp_path / "t.toml").write_text('[routines]\nfolder = "mine"\n', encoding="utf-8")
    return ["--config", str(tmp_path / "t.toml")]


@pytest.mark.parametrize("arguments", [(), ("list",)])
def test_the_list_has_name_title_duration_and_description(
    run: Run, arguments: tuple[str, ...]
) -> None:
    code, out = run(*arguments)

    assert code == 0
    line = next(line for line in out.splitlines() if line.startswith("lower-back "))
    assert "  5 min 42 s  " in line
    assert "Lower back, after the run" in line
    assert out.count("\n") == 1 + len(SHIPPED)


def test_the_list_is_no_tower_of_words_on_a_terminal_of_80_columns(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "80")
    code, out = run("list")

    assert code == 0
    assert out.count("\n") < 1.5 * len(SHIPPED)
    assert "Lower back, after the run" in out


def test_the_list_has_own_routines_and_says_which_is_wrong(run: Run, own: list[str]) -> None:
    code, out = run("list", *own)

    assert code == 0
    assert "[b]mine[/b]" in out
    assert "wrong" in out
    assert "has mistakes: tenuto routines check " in out


def test_the_score_has_each_step_with_its_time_its_length_and_its_cues(run: Run) -> None:
    code, out = run("show", "lower-back")

    rows = [line.split() for line in out.splitlines()]
    assert code == 0
    # 5 s ready, then 30 s each with 8 s between
    holds = [row[0] for row in rows if row[1:3] == ["0:30", "hold"]]
    assert holds == ["0:05", "0:43", "1:21", "1:59", "2:37", "3:15", "3:53", "4:31", "5:09"]
    assert sum("switch_sides" in row for row in rows) == 3
    assert sum("next_exercise" in row for row in rows) == 5
    assert sum(row[-3:] == ["▇▇", "▇▇", "▇▇"] for row in rows if "hold_end" in row) == 9
    assert ["0:35", "0:08", "rest", "Kneeling", "Lunge", "Stretch", "1.15"] in [
        row[:7] for row in rows
    ]
    assert sum(row[0] == "left" for row in rows if row) == 2 * 3
    assert "9 holds, 5 min 42 s; plan " in out
    assert "not medical advice" in out
    # Knee to chest, a bridge: both sides of the glutes get 30 s of each.
    assert ["glutes", "1", "min", "0", "s", "1", "min", "0", "s"] in rows


def test_what_is_piped_has_no_colours_and_whole_lines_at_any_width(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, usual = run("show", "lower-back")
    monkeypatch.setenv("COLUMNS", "30")
    _, narrow = run("show", "lower-back")

    assert usual == narrow
    assert "\x1b" not in usual
    assert all(line == line.rstrip() for line in usual.splitlines())


def test_an_own_routine_is_shown_as_it_is_written(run: Run, own: list[str]) -> None:
    code, out = run("show", "sit", *own)

    assert code == 0
    assert "Sit [/] still" in out


def test_the_cues_are_shown_as_they_feel_on_a_wearable(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "tenuto.toml"
    config.write_text(
        '[[wearable]]\nid = "watch"\nmodel = "infinitime"\nlink = "ble"\n'
        'address = "C1:00:00:00:00:01"\n'
        '[[wearable]]\nid = "own"\nlink = "simulated"\n'
    )
    _, usual = run("show", "lower-back")
    code, out = run("show", "lower-back", "--wearable", "watch", "--config", str(config))
    assert code == 0
    assert out != usual
    assert "Silent on a PineTime: get_ready, countdown, halfway, next_exercise" in out
    code, out = run("show", "lower-back", "--wearable", "own", "--config", str(config))
    assert (code, out) == (0, usual)


def test_a_file_is_shown_without_being_installed(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "draft.toml"
    gate = "heart_gate = { below_bpm = 95 }\nself_paced = true\nreps = 2\n"
    file.write_text(OWN.format("draft") + gate, encoding="utf-8")

    code, out = run("show", str(file))

    assert code == 0
    assert "ready Sit [/] still" in out
    assert "  until below 95 bpm, at most 2:00" in out
    assert "  until a press, at most 10:00" in out
    assert "  2 of 2" in out


NEW = """\
name = "new"
title = "All that is new"
[circuit.c]
rounds = 2
rest_s = 60
[[exercise]]
name = "Lying Hamstring Stretch"
sides = "each"
reps = [2, 1]
link = "https://example.org/stretch"
muscles = ["left ear"]
phases = [{ name = "stretch", s = 10 }, { name = "press", s = 6, cue = [150, 100, 150] }]
[[exercise]]
name = "Plank"
circuit = "c"
hold_s = "open"
mark_every_s = 30
heart_gate = { below_bpm = 110, each_set = true }
"""


def test_everything_that_a_routine_can_say_is_shown_in_80_columns(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "new.toml"
    file.write_text(NEW, encoding="utf-8")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("NO_COLOR", "1")

    code, out = run("show", str(file))
    lines = [re.sub(r"\x1b\[\d*m", "", line).rstrip() for line in out.splitlines()]

    assert code == 0
    assert max(map(len, lines)) <= 80
    assert "new: All that is new" in lines[0]
    for text in (
        "set 1 of 2, left, 2 of 2:",
        "set 2 of 2, right: stretch",
        "until a press",
        "until below 110 bpm",
        "Lying Hamstring Stretch: https://example.org/stretch",
        "holds, at most",
    ):
        assert any(text in line for line in lines), (text, lines)
    plain = "\n".join(lines)
    assert re.search(r"mark +▅ ▅", plain)
    assert re.search(r"press +▇▇ ▇▇", plain), "a pattern of its own has the name of its phase"


def test_a_muscle_that_is_not_known_is_told_and_taken(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "new.toml"
    file.write_text(NEW, encoding="utf-8")

    code, out = run("check", str(file))

    assert code == 0
    assert out.startswith("OK: ")
    assert "new.toml: the muscle 'left ear' is not in the vocabulary" in out


def test_an_unknown_routine_is_an_error_for_the_caller() -> None:
    with pytest.raises(InputError, match="did you mean lower-back"):
        app(["show", "lower-bak"])


def test_a_good_file_is_ok(run: Run) -> None:
    lower_back = CONFIG / "routines" / "lower-back.toml"

    assert run("check", str(lower_back)) == (0, "OK: 9 holds, 5 min 42 s\n")


def test_a_bad_file_has_all_its_mistakes_told_and_exit_code_2(run: Run) -> None:
    code, out = run("check", MANY)

    assert code == 2
    assert f"{MANY}:3: `rounds` is 11, allowed is 1 to 10\n" in out
    assert f"{MANY}:13: exercise 'Lunge': `sides` is the text 'eech'" in out
    assert all(line.startswith(f"{MANY}:") for line in out.splitlines())


def test_a_file_that_would_not_be_found_by_its_name_is_not_ok(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "evening.toml"
    file.write_text(OWN.format("morning"), encoding="utf-8")

    code, out = run("check", str(file))

    assert code == 2
    assert out == f"{file}:1: `name` is 'morning', allowed is the file's own name, 'evening'\n"


def test_many_files_are_all_checked(run: Run, tmp_path: Path) -> None:
    code, out = run("check", str(SHIPPED[0]), MANY, str(tmp_path / "no.toml"), str(SHIPPED[1]))

    assert code == 2
    assert out.count(": OK: ") == 2
    assert "no.toml: cannot be read" in out


def test_a_file_whose_cues_have_no_room_is_not_ok(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "tight.toml"
    tight = OWN.format("tight") + 'sides = "each"\nswitch_s = 1\n'
    file.write_text(tight, encoding="utf-8")

    code, out = run("check", str(file))

    assert code == 2
    assert f"{file}:6: exercise 'Sit [/] still': `switch_s` is 1 s" in out


def test_an_own_vocabulary_decides_and_is_warned_of(run: Run, tmp_path: Path) -> None:
    (tmp_path / "v.toml").write_text("[hold_end]\non_off_ms = [500]\n", encoding="utf-8")
    (tmp_path / "t.toml").write_text('[haptics]\nfile = "v.toml"\n', encoding="utf-8")

    _, out = run("show", "lower-back", "--config", str(tmp_path / "t.toml"))

    assert "v.toml: hold_start and hold_end: will be confused" in out


def test_the_schema_is_printed_as_json(run: Run) -> None:
    code, out = run("schema")

    assert code == 0
    jsonschema.Draft202012Validator.check_schema(json.loads(out))


def test_wrong_use_is_exit_code_2(run: Run) -> None:
    assert run("check")[0] == 2
    assert run("show")[0] == 2
    assert run("show", "lower-back", "--colour", "red")[0] == 2


# --- shared


def home(tmp_path: Path) -> list[str]:
    (tmp_path / "t.toml").write_text('[routines]\nfolder = "mine"\n', encoding="utf-8")
    return ["--config", str(tmp_path / "t.toml")]


def test_a_shared_routine_is_checked_shown_and_stored_and_not_run(run: Run, tmp_path: Path) -> None:
    code, word = run("share", "hips")
    assert (code, word.count("\n")) == (0, 1)
    renamed = shared(unshared(word).replace(b'name = "hips"', b'name = "their-hips"', 1))

    code, out = run("add", renamed, "--yes", *home(tmp_path))

    assert code == 0
    assert "their-hips: Hips" in out
    assert "With a new hip joint, ask first" in out
    assert "hold_start" in out
    assert (tmp_path / "mine" / "their-hips.toml").read_bytes() == unshared(renamed)
    assert "Stored. `tenuto run their-hips` plays it." in out
    assert run("show", "their-hips", *home(tmp_path))[0] == 0
    assert "is this routine already" in run("add", renamed, *home(tmp_path))[1]


def test_a_shared_routine_is_not_stored_unasked(run: Run, tmp_path: Path) -> None:
    word = run("share", "hips")[1]

    with pytest.raises(InputError, match="Nobody is here to ask"):
        app(["add", word, *home(tmp_path)])

    assert not (tmp_path / "mine").exists()


def test_a_shared_routine_does_not_take_the_place_of_ones_own_unasked(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    own = tmp_path / "mine" / "hips.toml"
    own.write_text(OWN.format("hips"), encoding="utf-8")
    word = run("share", "hips")[1]

    with pytest.raises(InputError, match="--replace takes its place"):
        app(["add", word, "--yes", *home(tmp_path)])
    assert own.read_text(encoding="utf-8") == OWN.format("hips")

    assert run("add", word, "--yes", "--replace", *home(tmp_path))[0] == 0
    assert own.read_bytes() == unshared(word)


@pytest.mark.parametrize("name", ["../../escape", "a/b", ".hidden", "with blank", "CON:", "-x"])
def test_a_name_from_outside_does_not_lead_out_of_the_folder(tmp_path: Path, name: str) -> None:
    word = shared(OWN.format(name).encode())

    with pytest.raises(InputError, match="is no name for a routine's file"):
        app(["add", word, "--yes", *home(tmp_path)])

    assert [path.name for path in tmp_path.iterdir()] == ["t.toml"]


def test_a_shared_routine_with_mistakes_is_told_and_not_stored(tmp_path: Path) -> None:
    word = shared(OWN.format("bad").encode() + b"hold_s = 0\n")

    with pytest.raises(InputError, match=r"the shared routine:5: .*`hold_s` is 0"):
        app(["add", word, "--yes", *home(tmp_path)])

    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_the_code_of_a_shared_routine_is_a_picture_too(
    run: Run, tmp_path: Path, suffix: str
) -> None:
    pytest.importorskip("segno")
    file = tmp_path / f"code{suffix}"

    code, word = run("share", "breathe-478", "--qr", str(file))

    assert code == 0
    assert word.startswith("TENUTO1:")
    assert file.stat().st_size > 500
