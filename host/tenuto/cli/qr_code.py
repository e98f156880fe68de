# SPDX-License-Identifier: MIT
"""QR codes on a terminal and as files."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from tenuto.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

_BORDER = 2


def print_code(text: str) -> None:
    """Print a QR code, or say on standard error why not."""
    from tenuto.report.qr_code import make_code

    try:
        code = make_code(text)
    except InputError as error:
        print(f"tenuto: {error}", file=sys.stderr)
        return
    width = code.symbol_size(border=_BORDER)[0]
    columns = shutil.get_terminal_size().columns
    if width > columns:
        said = f"the QR code is {width} columns wide, this terminal has {columns}"
        print(f"tenuto: {said}; make it wider, or say --qr FILE.svg", file=sys.stderr)
        return
    try:
        code.terminal(compact=True, border=_BORDER)
    except UnicodeEncodeError:
        print("tenuto: this terminal cannot show a QR code; say --qr FILE.svg", file=sys.stderr)


def save_code(text: str, path: Path) -> None:
    """Write a QR code as a picture, whose form the name of the file says.

    Raises:
        InputError: There is no such form, or it cannot be written.
    """
    from tenuto.report.qr_code import make_code

    if path.suffix.lower() not in (".svg", ".png"):
        raise InputError(f"--qr is {str(path)!r}, allowed is a name that ends in .svg or .png")
    code = make_code(text)
    try:
        code.save(str(path), scale=4)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error
