# SPDX-License-Identifier: MIT
"""QR codes; they need the extra `share`."""

from __future__ import annotations

from typing import Any

from tenuto import extras
from tenuto.errors import InputError

_TOO_LONG = "the text is too long for a QR code; send it as it is"
_SVG_BORDER = 4
"""The quiet zone of ISO/IEC 18004, in modules."""


def make_code(text: str) -> Any:  # noqa: ANN401 - segno has no types
    """Return segno's code of a text.

    Raises:
        InputError: The library is missing, or the text is too long.
    """
    with extras.needed("share", "a QR code"):
        import segno  # noqa: PLC0415 - few need it
    try:
        return segno.make(text, error="l", micro=False)
    except segno.DataOverflowError:
        raise InputError(_TOO_LONG) from None


def code_svg(text: str) -> str:
    """Return a code as an SVG element for a page, black on white at night too.

    Raises:
        InputError: As `make_code`.
    """
    svg: str = make_code(text).svg_inline(border=_SVG_BORDER, light="#fff", omitsize=True)
    return svg
