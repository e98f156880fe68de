# SPDX-License-Identifier: MIT
"""`tenuto homeassistant`: the files for Home Assistant, with the ids of your configuration."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations
from typing import TYPE_CHECKING

from cyclopts import App

from tenuto.config import find_config
from tenuto.errors import InputError
from tenuto.files import read_text

from .common import ConfigFile  # noqa: TC001 - cyclopts reads the annotations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenuto.config import Config

app = App(
    name="homeassistant",
    help="Write the dashboard and more for Home Assistant.",
)


@app.command
def dashboard(*, config: ConfigFile = None) -> None:
    """Print the dashboard, for Home Assistant's raw configuration editor.

    Args:
        config: as in all commands
    """
    print(_text("dashboard", find_config(config)), end="")


@app.command
def package(*, config: ConfigFile = None) -> None:
    """Print the package: the bar of the dashboard, and a script that starts a named routine.

    Args:
        config: as in all commands
    """
    print(_text("package", find_config(config)), end="")


@app.command
def words(*, config: ConfigFile = None) -> None:
    """Print the templates with the words of states and answers in your language.

    Args:
        config: as in all commands
    """
    print(_text("words", find_config(config)), end="")


@app.command
def blueprints(name: str | None = None, *, url: str | None = None) -> None:
    """List the blueprints, or print one of them, or the links that import them.

    Args:
        name: the one to print
        url: where the files of Tenuto are on the web, up to the folder with `config` in it, such as
            https://HOST/YOU/tenuto/blob/main; then a link for each is printed that has your Home
            Assistant import it
    """
    from tenuto.mqtt import homeassistant_files as files

    found = files.blueprints()
    if url is not None:
        for link in files.import_links(url):
            print(*link, sep="\n  ")
        return
    if name is None:
        for file, text in found.items():
            line = next(line for line in text.splitlines() if line.startswith("  name:"))
            title = line.partition(":")[2].strip(' "').removeprefix("Tenuto: ")
            print(f"{file.removesuffix('.yaml'):<14} {title}")
        return
    chosen = found.get(f"{name.removesuffix('.yaml')}.yaml")
    if chosen is None:
        known = ", ".join(file.removesuffix(".yaml") for file in found)
        raise InputError(f"there is no blueprint {name[:40]!r}, there are {known}")
    print(chosen, end="")


@app.command
def install(folder: Path, *, replace: bool = False, config: ConfigFile = None) -> None:
    """Write all of them into the configuration folder of Home Assistant.

    Args:
        folder: the one that has Home Assistant's configuration.yaml in it
        replace: overwrite files there that differ
        config: as in all commands
    """
    if not (folder / "configuration.yaml").is_file():
        raise InputError(
            f"{folder} is not the configuration folder of a Home Assistant: "
            "it has no configuration.yaml"
        )
    texts = dict(_all(find_config(config)))
    other = [path for path, text in texts.items() if _is_other(folder / path, text)]
    if other and not replace:
        listed = ", ".join(path.as_posix() for path in other)
        raise InputError(
            f"{listed} in {folder} would change, so nothing is written; --replace writes over them"
        )
    for path, text in texts.items():
        try:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8", newline="\n")
        except OSError as error:
            raise InputError(f"{folder / path} cannot be written: {error.strerror}") from error
    print(*(folder / path for path in texts), sep="\n")
    print(_NEXT, file=sys.stderr)


_NEXT = """\
Then, in Home Assistant:
  configuration.yaml needs, once:    homeassistant:
                                       packages: !include_dir_named packages
  Developer tools, YAML, Restart
  Settings, Dashboards, Add dashboard, New dashboard from scratch; open it, Edit, Raw configuration
  editor, and put the content of tenuto-dashboard.yaml there
  Settings, Automations & scenes, Blueprints has the automations"""


def _is_other(path: Path, text: str) -> bool:
    try:
        return read_text(path) != text
    except FileNotFoundError:
        return False
    except (OSError, UnicodeDecodeError):
        return True


def _all(config: Config) -> Iterator[tuple[Path, str]]:
    from tenuto.mqtt import homeassistant_files as files

    for what, path in files.PLACES.items():
        yield path, _text(what, config)
    for name, text in files.blueprints().items():
        yield files.BLUEPRINTS / name, text


def _text(what: str, config: Config) -> str:
    from tenuto.daemon.mqtt_service import subject_of
    from tenuto.mqtt import homeassistant_files as files
    from tenuto.mqtt.discovery import CLASS_OBJECT, object_id
    from tenuto.mqtt.topics import Topics

    topics = Topics(config.mqtt.base_topic)
    wearables = [
        files.shown(topics, subject_of(one, config), one.person) for one in config.wearables
    ]
    return files.write(
        what,
        wearables,
        config.home_assistant.language,
        of_class=object_id(topics, CLASS_OBJECT) if len(wearables) > 1 else "",
    )
