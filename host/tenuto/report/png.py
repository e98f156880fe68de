# SPDX-License-Identifier: MIT
"""A picture as PNG; needs the extra `report`."""

from __future__ import annotations

from tenuto.errors import InputError

ZOOM = 2
"""For screens with small dots."""


def png(svg: str) -> bytes:
    """Return an SVG file as PNG, on the paper that it brings.

    Raises:
        InputError: the extra `report` is not installed.
    """
    try:
        import resvg_py  # noqa: PLC0415 - an extra
    except ImportError:
        raise InputError(
            "PNG needs the extra `report`: install tenuto[report], or resvg-py beside Tenuto"
        ) from None
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, zoom=ZOOM))
