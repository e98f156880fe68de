# SPDX-License-Identifier: MIT
from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import pytest

from tenuto import __version__, cli
from tenuto.cli import WRONG_USE, control, main
from tenuto.cli.overview import COMMANDS, CONTROL
from tests.patience import patience_s

SUMMARIES = {name: text for group in COMMANDS.values() for name, text in group.items()}
ASKS = [(), ("-h",), ("--help",), ("--version",), ("--debug", "--help")]
TIMEOUT_S = 30


class Run(Protocol):
    def __call__(self, *words: str) -> tuple[int, str, str]: ...


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line here, in a wide terminal; gives exit code, output and errors."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(list(words))
        said = capsys.readouterr()
        return int(caught.value.code or 0), said.out, said.err

    return call


def at_a_terminal(**environ: str) -> str:
    """Give what `tenuto` says at a terminal."""
    here, there = os.openpty()
    with os.fdopen(here, "rb", buffering=0) as terminal:
        subprocess.run(
            [sys.executable, "-m", "tenuto"],
            stdout=there,
            env={name: value for name, value in os.environ.items() if name != "NO_COLOR"} | environ,
            timeout=patience_s(TIMEOUT_S),
            check=True,
        )
        os.close(there)
        said = b""
        with suppress(OSError):  # how Linux says that nobody is left who could write
            while part := terminal.read(4096):
                said += part
    return said.decode()


def test_the_front_page_says_what_it_is_how_to_use_it_and_what_there_is(run: Run) -> None:
    code, page, _ = run()

    lines = page.splitlines()
    assert code == 0
    assert "by touch" in lines[0]
    assert lines[2].startswith("Usage: tenuto COMMAND")
    for heading, commands in COMMANDS.items():
        begin = lines.index(heading) + 1
        told = [line.split(maxsplit=1) for line in lines[begin : begin + len(commands)]]
        assert told == [[name, summary] for name, summary in commands.items()]
    assert "not medical advice" in page
    assert "--debug" in page
    assert "README.md" in page


def test_the_front_page_fits_a_terminal_of_80_columns(run: Run) -> None:
    _, page, _ = run("--help")

    assert max(map(len, page.splitlines())) <= 80
    assert page.isascii()


@pytest.mark.parametrize("words", ASKS)
def test_asking_what_there_is_loads_no_library(words: tuple[str, ...]) -> None:
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "tenuto", *words],
        capture_output=True,
        text=True,
        timeout=patience_s(TIMEOUT_S),
        check=True,
    )

    loaded = set(re.findall(r"\| +(\S+)$", ran.stderr, re.MULTILINE))
    assert {name for name in loaded if name.startswith("tenuto")} == {
        "tenuto",
        "tenuto.cli",
        "tenuto.cli.overview",
    }
    # The last two alone take longer to load than Python itself.
    assert not loaded & {"asyncio", "cyclopts", "rich", "typing", "dataclasses"}


def test_the_version_is_that_of_the_package(run: Run) -> None:
    assert run("--version")[:2] == (0, f"tenuto {__version__}\n")


@pytest.mark.parametrize("name", SUMMARIES)
def test_a_command_says_first_what_the_front_page_says_of_it(run: Run, name: str) -> None:
    code, out, _ = run(name, "--help")

    usage, first, _ = re.split(r"\n\s*\n", out, maxsplit=2)
    assert code == 0
    assert usage.startswith(f"Usage: tenuto {name}")
    assert first.strip() == SUMMARIES[name]


def test_every_command_that_there_is_is_on_the_front_page() -> None:
    folder = Path(cli.__file__).parent
    modules = {
        path.stem
        for path in folder.glob("*.py")
        if re.search(r"^app = ", path.read_text(), re.MULTILINE)
    }

    assert modules - {"program"} == set(SUMMARIES) - set(COMMANDS[CONTROL])
    assert all(getattr(control, name).name == (name,) for name in COMMANDS[CONTROL])


def test_help_before_a_command_is_that_command_s(run: Run) -> None:
    assert run("--help", "daemon") == run("daemon", "--help")


@pytest.mark.parametrize(
    "words, told",
    [
        (("rnu",), "did you mean `tenuto run`?"),
        (("--foo",), "--foo"),
        (("run", "--hlep"), "--hlep"),
        (("daemon", "extra"), "extra"),
        (("run", "--seed", "one"), "tenuto: --seed is 'one', allowed is a whole number; "),
        (("history", "shwo"), "tenuto: 'shwo' is too much, did you mean show?"),
        (("history", "show"), "tenuto: ID is missing; `tenuto history show --help`"),
        (("report", "--format", "pdf"), 'tenuto: invalid value "pdf" for --format'),
        (("run", "--speed", "0"), "--speed"),
    ],
)
def test_wrong_words_are_told_of_and_end_with_2(
    run: Run, words: tuple[str, ...], told: str
) -> None:
    code, out, err = run(*words)

    assert code == WRONG_USE
    assert told in err
    assert out == ""


def test_an_unknown_command_is_answered_with_all_there_are(run: Run) -> None:
    code, out, err = run("xyzzy")

    assert (code, out) == (WRONG_USE, "")
    assert all(name in err for name in SUMMARIES)
    assert "did you mean" not in err


@pytest.mark.parametrize("command", SUMMARIES)
def test_a_flag_has_no_opposite_that_says_nothing(run: Run, command: str) -> None:
    code, out, _ = run(command, "--help")

    assert code == 0
    assert "--no-" not in out
    assert "--empty-" not in out


def test_headings_are_bold_only_at_a_terminal_that_wants_it(run: Run) -> None:
    bold = at_a_terminal(TERM="xterm")
    _, plain, _ = run()

    assert "\x1b[1mStretch\x1b[0m" in bold
    assert re.sub(r"\x1b\[[01]m|\r", "", bold) == plain
    assert "\x1b" not in plain
    assert "\x1b" not in at_a_terminal(TERM="xterm", NO_COLOR="1")
    assert "\x1b" not in at_a_terminal(TERM="dumb")


def test_the_script_is_the_module() -> None:
    module = subprocess.check_output(
        [sys.executable, "-m", "tenuto"], timeout=patience_s(TIMEOUT_S)
    )
    script = subprocess.check_output(
        [Path(sys.executable).with_name("tenuto"), "-h"], timeout=patience_s(TIMEOUT_S)
    )

    assert module == script


def test_a_reader_that_has_gone_is_no_fault() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as gone:
        ran = subprocess.run(
            [sys.executable, "-m", "tenuto"],
            stdout=gone,
            stderr=subprocess.PIPE,
            timeout=patience_s(TIMEOUT_S),
            check=False,
        )

    assert ran.stderr == b""


@pytest.mark.parametrize("words", [["routines", "show", "lower-back"], ["run", "N\u00f6"], []])
def test_what_an_old_terminal_cannot_show_comes_out_in_plain_characters(
    words: list[str], tmp_path: Path
) -> None:
    folders = {f"XDG_{name}_HOME": str(tmp_path) for name in ("CONFIG", "DATA")}
    result = subprocess.run(
        [sys.executable, "-m", "tenuto", *words],
        env={**os.environ, **folders, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
        timeout=patience_s(60),
    )
    said = result.stdout + result.stderr

    assert said.isascii()
    assert b"Unicode" not in said
    assert result.returncode == (2 if "run" in words else 0)
