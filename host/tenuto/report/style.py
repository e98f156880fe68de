# SPDX-License-Identifier: MIT
"""The colours and the font of reports, by day and by night.  Pure.

The colours of data are those of Okabe and Ito, which people with any colour vision tell apart;
and no colour stands alone, each goes with a place, a shape or a word.
"""

from __future__ import annotations

from dataclasses import dataclass

FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif"


@dataclass(frozen=True, slots=True)
class Colours:
    """One set of colours, each as #rrggbb.

    Attributes:
        paper: The ground.
        card: The ground of what stands together.
        ink: Texts.
        quiet: Texts that matter less.
        line: What only guides the eye.
        hold: A hold.
        on_hold: A text on a hold.
        heart: The heart rate.
        cut: A hold that was cut short.
        mark: What is advised.
    """

    paper: str
    card: str
    ink: str
    quiet: str
    line: str
    hold: str
    on_hold: str
    heart: str
    cut: str
    mark: str


DAY = Colours(
    paper="#fbfaf7",
    card="#ffffff",
    ink="#1b2330",
    quiet="#565f6e",
    line="#d5d8de",
    hold="#0072b2",
    on_hold="#ffffff",
    heart="#c04a00",
    cut="#e69f00",
    mark="#dcece5",
)
NIGHT = Colours(
    paper="#13161b",
    card="#1c2027",
    ink="#e9ebef",
    quiet="#a7afbc",
    line="#3a404b",
    hold="#56b4e9",
    on_hold="#0b1620",
    heart="#ff9a62",
    cut="#f0c05a",
    mark="#21382f",
)
