# SPDX-License-Identifier: MIT
"""The files for Home Assistant: blueprints as they are, the others written from templates.

The templates are in `config/homeassistant/templates`. What Home Assistant itself works out has the
marks `{{ }}` and `{% %}` there; what is worked out here has `<< >>` and `<% %>`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from tenuto import files
from tenuto.errors import InputError
from tenuto.shipped import shipped

from .discovery import object_id
from .words import ENGLISH, PHRASES, STATES, label_of, state_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .discovery import Subject
    from .topics import Topics

BLUEPRINTS = Path("blueprints") / "automation" / "tenuto"
"""Where they are, in the folder of these files as in Home Assistant's own."""
PLACES = {
    "dashboard": Path("tenuto-dashboard.yaml"),
    "package": Path("packages") / "tenuto.yaml",
    "words": Path("custom_templates") / "tenuto.jinja",
}
"""Where Home Assistant wants what is written from a template, in its configuration folder."""
_TEMPLATES = {"dashboard": "dashboard.yaml", "package": "package.yaml", "words": "tenuto.jinja"}
_IMPORT = "https://my.home-assistant.io/redirect/blueprint_import/?blueprint_url="


@dataclass(frozen=True, slots=True)
class Shown:
    """A wearable, as the files name it.

    Attributes:
        title: For people.
        path: Of its view on the dashboard.
        called: What the ids of its entities begin with.
        sums: What the ids of the sums begin with: those of who wears it, or its own.
        command: The topic of its commands.
        person: Whether it is worn by a person, to whom something may be prescribed.
    """

    title: str
    path: str
    called: str
    sums: str
    command: str
    strength: bool
    heart: bool
    own_firmware: bool
    person: bool


def shown(topics: Topics, wearable: Subject, person: str | None) -> Shown:
    """Return a wearable as the files name it; `person` is the id of who wears it."""
    called = object_id(topics, wearable.id)
    return Shown(
        title=wearable.name,
        path=called.replace("_", "-"),
        called=called,
        sums=called if person is None else object_id(topics, f"person_{person}"),
        command=topics.of(wearable.id, "command"),
        strength=wearable.strength,
        heart=wearable.heart,
        own_firmware=wearable.own_firmware,
        person=person is not None,
    )


def write(
    what: str, wearables: Sequence[Shown], language: str = ENGLISH, *, of_class: str = ""
) -> str:
    """Return the text of a file.

    Args:
        what: One of `PLACES`.
        wearables: At least one.
        language: One of `words.LANGUAGES`.
        of_class: What the ids of the class's entities begin with; empty where there is none.
    """
    import jinja2  # noqa: PLC0415 - one command needs it

    jinja = jinja2.Environment(  # noqa: S701 - it is no HTML
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    text = files.read_text(_folder() / "templates" / _TEMPLATES[what])
    words = {name: {**STATES.get(name, {}), **PHRASES[name]} for name in PHRASES}
    return jinja.from_string(text).render(
        wearables=wearables,
        of_class=of_class,
        language=language,
        languages=", ".join(words),
        words=words,
        label=lambda english: label_of(language, english),
        state=lambda english: state_of(language, english),
        quoted=lambda value: json.dumps(value, ensure_ascii=False),
    )


def blueprints() -> dict[str, str]:
    """Return the blueprints by the names of their files."""
    found = sorted((_folder() / BLUEPRINTS).glob("*.yaml"))
    return {path.name: files.read_text(path) for path in found}


def import_links(url: str) -> Iterator[tuple[str, str]]:
    """Return for each blueprint the link by which a Home Assistant imports it.

    Args:
        url: Where the files of Tenuto's repository are shown or served, up to the folder that has
            `config` in it.

    Raises:
        InputError: It is no such address.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment:
        raise InputError(
            f"{url[:200]!r} is no address of a folder: it begins with https:// and ends before "
            "config/, as in https://HOST/YOU/tenuto/blob/main"
        )
    for name in blueprints():
        path = f"config/homeassistant/{BLUEPRINTS.as_posix()}/{name}"
        yield name, _IMPORT + quote(f"{url.rstrip('/')}/{path}", safe="")


def _folder() -> Path:
    return shipped("config") / "homeassistant"
