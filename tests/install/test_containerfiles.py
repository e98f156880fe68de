# SPDX-License-Identifier: MIT
"""The container's files; `make install-check` runs their steps."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT
from tests.install.containerfile import Stage, parse

if TYPE_CHECKING:
    from pathlib import Path

CONTAINER = ROOT / "config/container/Containerfile"
APP = ROOT / "config/homeassistant-app/Dockerfile"


def stages(file: Path) -> list[Stage]:
    return parse(file.read_text(encoding="utf-8"))


def arguments(stage: Stage, word: str) -> list[str]:
    return [rest for name, rest in stage.steps if name == word]


@pytest.mark.parametrize("file", [CONTAINER, APP], ids=["container", "app"])
def test_each_step_is_one_that_a_shell_reads_and_each_file_is_there(file: Path) -> None:
    context = ROOT if file is CONTAINER else file.parent
    for stage in stages(file):
        for line in arguments(stage, "RUN"):
            subprocess.run(["sh", "-n", "-c", line], check=True)
        for line in arguments(stage, "COPY"):
            *sources, _target = line.split()
            if not sources[0].startswith("--from=") and sources != ["*.whl"]:
                assert all((context / source).exists() for source in sources), line


def test_the_container_is_started_by_nobody_special_and_tells_its_health() -> None:
    final = stages(CONTAINER)[-1]

    assert arguments(final, "USER") == ["tenuto"]
    assert arguments(final, "ENTRYPOINT") == ['["tenuto"]']
    assert arguments(final, "HEALTHCHECK")[0].endswith('CMD ["tenuto", "status"]')
    words = [word for word, _ in final.steps]
    assert words.index("USER") > max(i for i, word in enumerate(words) if word == "RUN")


def test_the_app_begins_with_a_configuration_and_keeps_what_is_there(tmp_path: Path) -> None:
    start = APP.with_name("start")
    config = tmp_path / "tenuto.toml"
    program = tmp_path / "tenuto"
    program.write_text('#!/bin/sh\necho "started $1"\n')
    program.chmod(0o755)
    for text in (APP.with_name("tenuto.toml").read_text(encoding="utf-8"), "# mine\n"):
        done = subprocess.run(
            ["sh", start],
            env={"TENUTO_CONFIG": str(config), "PATH": f"{tmp_path}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == "started daemon\n"
        assert config.read_text(encoding="utf-8") == text
        config.write_text("# mine\n")


def test_what_is_not_known_is_refused() -> None:
    for text in ("FROM alpine:3", "FROM debian:trixie-slim\nADD http://x y"):
        with pytest.raises(ValueError, match=r"alpine|ADD"):
            parse(text)
