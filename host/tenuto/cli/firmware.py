# SPDX-License-Identifier: MIT
"""`tenuto firmware`: put the firmware on a board, and tell what is on it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

if TYPE_CHECKING:
    from tenuto.flashing import BoardInfo, Bundle

OLD_OR_BROKEN = 1
SHOWN_MAX = 10

app = App(name="firmware", help="Put the firmware on a board, or show what is on it.")

Drive = Annotated[
    Path | None, Parameter(name="--drive", help="The board's drive; without it the one connected.")
]
Board = Annotated[
    str | None,
    Parameter(
        name="--board",
        help="A file of boards/; without it the one that settings.toml on the drive names, or the "
        "one for this board.",
    ),
]


@app.command
def install(*, drive: Drive = None, board: Board = None) -> None:
    """Copy the firmware and its libraries to a board, and check what was written.

    Your settings.toml on the drive stays as it is.

    Args:
        drive: the board's drive
        board: a file of boards/
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    from tenuto import __version__, flashing

    where, info, bundle = _prepare(drive, board)
    console = Console()
    _say_board(where, info, bundle)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=None)

        def show(path: str, done: int, total: int) -> None:
            progress.update(bar, description=path, completed=done, total=total)

        report = flashing.install(where, bundle, show)
    for path in report.saved:
        print(f"What you had in {re.sub(r'[.]bak[0-9]*$', '', path)} is now in {path}.")
    if report.written:
        print(
            f"Wrote {len(report.written)} files and checked all {len(bundle.files)}: "
            f"Tenuto {__version__}, {report.free_bytes // 1024} kB left on the drive."
        )
        print("Eject the drive, then press the board's reset button.")
    else:
        print(f"Everything is there already: Tenuto {__version__}, {len(bundle.files)} files.")
    for advice in report.advice:
        print(f"Please note: {advice}.")


@app.command
def status(*, drive: Drive = None, board: Board = None) -> int:
    """Show what is on a board, and whether it is what this Tenuto would put there.

    Args:
        drive: the board's drive
        board: a file of boards/
    """
    from tenuto import __version__, flashing

    where, info, bundle = _prepare(drive, board)
    _say_board(where, info, bundle)
    found = flashing.compare(where, bundle)
    if found.installed is None:
        print("Tenuto was never installed there; `tenuto firmware install` does it.")
        return OLD_OR_BROKEN
    print(f"Installed is Tenuto {found.installed}; here is {__version__}.")
    if not found.is_complete:
        print("The installation was interrupted: the board does not start it.")
    for title, paths in (
        ("missing", found.missing),
        ("different", found.different),
        ("changed by hand", found.by_hand),
        ("not needed any more", found.left_over),
    ):
        if paths:
            more = f" and {len(paths) - SHOWN_MAX} more" if len(paths) > SHOWN_MAX else ""
            print(f"{title}: {', '.join(paths[:SHOWN_MAX])}{more}")
    if found.is_current:
        print(f"All {len(bundle.files)} files are as they should be.")
        return 0
    print("`tenuto firmware install` mends it.")
    return OLD_OR_BROKEN


def _prepare(drive: Path | None, board: str | None) -> tuple[Path, BoardInfo, Bundle]:
    from tenuto import flashing
    from tenuto.shipped import shipped

    where = drive if drive is not None else flashing.find_drive()
    info = flashing.read_board(where)
    folder = shipped("firmware")
    own = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.suffix in (".py", ".toml") and path.is_file()
    }
    named = flashing.board_of_settings(where) if board is None else None
    if named is not None:
        name, pins = named
        if pins is not None:
            # Somebody's own board, whose pins are only there.
            own.setdefault(f"boards/{name}.py", pins)
        board = name if f"boards/{name}.py" in own else None
    bundle = flashing.make_bundle(
        own, flashing.load_libraries(), board_id=info.board_id, board=board
    )
    return where, info, bundle


def _say_board(where: Path, info: BoardInfo, bundle: Bundle) -> None:
    version = ".".join(map(str, info.version))
    print(f"{info.machine or info.board_id} on {where}, CircuitPython {version}.")
    print(f"Its pins are those of boards/{bundle.board}.py.")
