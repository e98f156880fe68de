# SPDX-License-Identifier: MIT
"""A picture as PNG; needs the extra `report`."""

from __future__ import annotations

from tenuto import extras

ZOOM = 2
"""For screens with small dots."""


def png(svg: str) -> bytes:
    """Return an SVG file as PNG, on the paper that it brings.

    Raises:
        InputError: The extra `report` is not installed.
    """
    with extras.needed("report", "PNG"):
        import resvg_py  # noqa: PLC0415 - an extra
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, zoom=ZOOM))
