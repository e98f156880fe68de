# SPDX-License-Identifier: MIT
"""`tenuto homeassistant`: files with the ids of the configuration, in their places."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenuto.cli import WRONG_USE, main
from tenuto.mqtt.homeassistant_files import BLUEPRINTS, PLACES, blueprints

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONFIG = """\
mqtt.base_topic = "office"
home_assistant.language = "de"
[[person]]
id = "ada"
[[wearable]]
id = "left"
name = "Links"
link = "simulated"
person = "ada"
"""


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    (tmp_path / "tenuto.toml").write_text(CONFIG, encoding="utf-8")

    def call(*words: str, configured: bool = True) -> tuple[int, str, str]:
        more = ["--config", str(tmp_path / "tenuto.toml")] if configured else []
        with pytest.raises(SystemExit) as caught:
            main(["homeassistant", *words, *more])
        said = capsys.readouterr()
        return int(caught.value.code or 0), said.out, said.err

    return call


@pytest.mark.parametrize("what", PLACES)
def test_a_file_has_the_ids_and_the_language_of_the_configuration(
    run: Callable[..., tuple[int, str, str]], what: str
) -> None:
    code, text, _ = run(what)

    assert code == 0
    assert "office_left_" in text
    assert "tenuto_left_" not in text
    assert {"dashboard": "Das Band", "package": "Programm", "words": "= 'de'"}[what] in text


def test_all_of_them_are_written_once_and_never_over_something_else(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    code, _, err = run("install", str(folder))
    assert (code, list(folder.iterdir())) == (WRONG_USE, []), "it is the folder of something else"
    assert "configuration.yaml" in err

    (folder / "configuration.yaml").touch()
    code, out, _ = run("install", str(folder))
    written = {path for path in folder.rglob("*") if path.is_file()}
    names: list[Path] = [*PLACES.values(), *(BLUEPRINTS / name for name in blueprints())]
    assert code == 0
    assert written == {folder / name for name in names} | {folder / "configuration.yaml"}
    assert len(out.splitlines()) == len(names)
    assert run("install", str(folder))[0] == 0, "the same again changes nothing"

    package = folder / PLACES["package"]
    package.write_text("mine: true\n", encoding="utf-8")
    (folder / BLUEPRINTS / "ask.yaml").unlink()
    code, _, err = run("install", str(folder))
    assert code == WRONG_USE
    assert "packages/tenuto.yaml" in err
    assert "--replace" in err
    assert package.read_text(encoding="utf-8") == "mine: true\n"
    assert not (folder / BLUEPRINTS / "ask.yaml").exists(), "nothing at all was written"
    assert run("install", str(folder), "--replace")[0] == 0
    assert "office_left" in package.read_text(encoding="utf-8")


def test_blueprints_are_listed_printed_and_linked(run: Callable[..., tuple[int, str, str]]) -> None:
    code, listed, _ = run("blueprints", configured=False)
    assert code == 0
    assert [line.split()[0] + ".yaml" for line in listed.splitlines()] == list(blueprints())

    assert run("blueprints", "ask", configured=False)[1] == blueprints()["ask.yaml"]
    code, _, err = run("blueprints", "nonsense", configured=False)
    assert code == WRONG_USE
    assert "calm_room" in err

    url = "https://host.example/me/tenuto/blob/main"
    _, links, _ = run("blueprints", "--url", url, configured=False)
    assert links.count("https://my.home-assistant.io/redirect/blueprint_import/") == len(
        blueprints()
    )
