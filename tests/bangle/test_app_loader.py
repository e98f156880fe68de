# SPDX-License-Identifier: MIT
"""The rules of the watch's app loader (BangleApps, bin/sanitycheck.js), as far as one app has them.

Not checked here: that no other app has files of these names.  Its rules of style
(apps/.eslintrc.js) find nothing; they are not run here.
"""

from __future__ import annotations

import base64
import json
import re
import struct
import subprocess
from pathlib import Path

import pytest

from tenuto.flashing.watch_app import read_app
from tenuto.simulator.espruino import Espruino
from tests.bangle.room import FOLDER
from tests.conftest import part
from tests.patience import patience_s

TOLD = json.loads((FOLDER / "metadata.json").read_text(encoding="utf-8"))
KEYS = {
    "id", "name", "shortName", "version", "description", "icon", "type", "tags", "supports",
    "readme", "storage", "data",
}  # fmt: skip
STORAGE_KEYS = {"name", "url", "evaluate"}
NAME_MAX = 28
STATEMENTS = """
    BlockStatement CatchClause ContinueStatement ExpressionStatement ForStatement
    FunctionDeclaration IfStatement Program ReturnStatement SwitchCase SwitchStatement TryStatement
    VariableDeclaration VariableDeclarator WhileStatement
"""
EXPRESSIONS = """
    ArrayExpression ArrowFunctionExpression AssignmentExpression BinaryExpression CallExpression
    ConditionalExpression FunctionExpression Identifier Literal LogicalExpression MemberExpression
    NewExpression ObjectExpression Property SequenceExpression UnaryExpression UpdateExpression
"""
"""What is used of what Espruino has (espruino.com/Features): no classes, templates, spread,
defaults, destructuring, labels, generators or regular expressions."""
METHODS = """
    apply call ceil charCodeAt concat fill filter forEach indexOf join map max min push round set
    shift slice split substr toString getUint8 getUint16 getUint32
"""
"""Of JavaScript; also from that list, or from Espruino's reference."""
OF_THE_WATCH = """
    CRC32 hwRand getBattery toUint8Array compact erase getStats read readArrayBuffer readJSON write
    writeJSON disconnect getAddress getSecurityStatus on println writeAtTime
    setHRMPower isLCDOn loadWidgets drawWidgets clear clearRect drawString getHeight getWidth reset
    setFont setFontAlign wrapString
"""
OWN = {"command", "hear", "moved", "next", "show", "state"}
ICON_PX = range(24, 49)
BUILT_BY_THE_WATCH = re.compile(r'"(tenuto\.[a-z0-9]+)"')


def test_it_says_what_it_must_and_nothing_unknown() -> None:
    assert set(TOLD) == KEYS
    assert TOLD["supports"] == ["BANGLEJS2"]
    assert TOLD["type"] == "app"
    assert len(TOLD["shortName"]) <= 20
    for key in ("icon", "readme"):
        assert (FOLDER / TOLD[key]).is_file()


def test_the_newest_change_is_that_of_the_version() -> None:
    versions = re.findall(r"\d+\.\d+(?=:)", (FOLDER / "ChangeLog").read_text(encoding="utf-8"))
    assert versions[-1] == TOLD["version"]


def test_its_files_are_there_once_and_their_names_fit() -> None:
    names = [row["name"] for row in TOLD["storage"]] + [row["name"] for row in TOLD["data"]]
    assert len(set(names)) == len(names)
    for name in names:
        assert len(name) <= NAME_MAX
        assert not re.search(r"[,;?*]", name)
        assert TOLD["id"] in name
    assert all(set(row) == {"name"} for row in TOLD["data"])
    for row in TOLD["storage"]:
        assert set(row) <= STORAGE_KEYS
        assert (FOLDER / row["url"]).is_file()
    assert {f"{TOLD['id']}.app.js", f"{TOLD['id']}.img"} <= set(names)


def test_it_names_all_that_it_keeps() -> None:
    """What it does not name stays on the watch when the loader removes it."""
    text = (FOLDER / "player.js").read_text(encoding="utf-8")
    made = set(BUILT_BY_THE_WATCH.findall(text)) - {"tenuto.log", "tenuto.plan"}
    made |= {f"tenuto.log{number}" for number in range(2)}
    made |= {f"tenuto.plan{number}" for number in range(4)}
    assert made == {row["name"] for row in TOLD["data"]}


def test_its_icons_have_the_size_that_is_wanted() -> None:
    text = (FOLDER / "app-icon.js").read_text(encoding="utf-8")
    found = re.fullmatch(r'\s*E\.toArrayBuffer\(atob\("([^"]*)"\)\)\s*', text)
    assert found is not None
    width, height = base64.b64decode(found[1])[:2]
    assert width in ICON_PX
    assert height in ICON_PX
    assert read_app("bangle").files["tenuto.img"] == base64.b64decode(found[1])
    png = (FOLDER / TOLD["icon"]).read_bytes()
    assert struct.unpack(">II", png[16:24]) == (48, 48)


def test_what_is_written_parses_and_espruino_understands_it(npm_modules: Path) -> None:
    """Functions that are used before they are written are in test_differential."""
    programs = [FOLDER / row["url"] for row in TOLD["storage"] if "evaluate" not in row]
    script = [part("node"), Path(__file__).parent / "syntax.mjs", npm_modules, *programs]
    run = subprocess.run(script, capture_output=True, check=False, timeout=patience_s(60))
    assert run.returncode == 0, run.stderr.decode()
    told = json.loads(run.stdout)
    assert set(told["nodes"]) <= {*STATEMENTS.split(), *EXPRESSIONS.split()}
    assert told["declared"] == ["var"], "let and const are as var there"
    assert set(told["called"]) - OWN <= {*METHODS.split(), *OF_THE_WATCH.split()}
    assert told["arrows"] == [], "an arrow function has no arguments"


@pytest.mark.parametrize("name", [row["name"] for row in TOLD["storage"] if "evaluate" not in row])
def test_what_is_installed_parses_as_what_is_written(name: str) -> None:
    """The installer leaves out comments and indentation."""
    data = read_app("bangle").files[name].decode("ascii")
    assert "\n//" not in data
    watch = Espruino({})
    watch.evaluate(f"new Function({json.dumps(data)});0")
