# SPDX-License-Identifier: MIT
"""How reports look: by day, by night, on a phone and on paper.  Pure.

The colours of data are those of Okabe and Ito, which people with any colour vision tell apart;
and no colour stands alone, each goes with a place, a shape or a word.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Colours:
    """One set; each as #rrggbb.

    ink, quiet: of texts.  line: of what only guides the eye.  hold, heart, cut: of data.
    on_hold: of a text on a hold.  mark: of what is advised.
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


def _drawn(c: Colours) -> str:
    """Give the rules for pictures in one set of colours; plain values, so that any reader can."""
    return (
        f".paper{{fill:{c.paper}}}"
        f".text,.small,.label,.heading,.top{{fill:{c.ink}}}.quiet{{fill:{c.quiet}}}"
        f".on-hold{{fill:{c.on_hold}}}"
        f".guide{{stroke:{c.line}}}.frame{{stroke:{c.quiet}}}"
        f".hold{{fill:{c.hold}}}.skipped{{stroke:{c.hold}}}.edge{{stroke:{c.hold}}}"
        f".cut{{stroke:{c.cut}}}.cut-paper{{fill:{c.card}}}.cut-ink{{fill:{c.cut}}}"
        f".heart{{stroke:{c.heart}}}.beat{{fill:{c.heart}}}.ink-tick{{stroke:{c.ink}}}"
        f".ink-dot{{fill:{c.ink}}}"
        f".pause-paper{{fill:{c.paper}}}.pause-ink{{fill:{c.line}}}"
        f".chip{{fill:{c.card}}}.mark{{fill:{c.mark}}}.empty{{fill:{c.card};stroke:{c.line}}}"
        f".today{{stroke:{c.ink}}}.away{{stroke:{c.quiet}}}"
    )


_FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif"

_SHAPES = (
    f"svg text{{font-family:{_FONT}}}"
    ".text{font-size:12px}.small,.quiet,.on-hold{font-size:11px}.label{font-size:12px;"
    "font-weight:600}.heading{font-size:15px;font-weight:600}.top{font-size:20px;font-weight:700}"
    ".guide{stroke-width:1;fill:none}.frame{stroke-width:1;fill:none}"
    ".skipped{fill:none;stroke-width:1.5;stroke-dasharray:4 3}"
    ".edge{fill:none;stroke-width:1.5}"
    ".cut{stroke-width:1.5}"
    ".heart{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}"
    ".ink-tick{stroke-width:1.6;fill:none}.today{fill:none;stroke-width:2}"
    ".away{stroke-width:3;stroke-dasharray:2 3;fill:none}"
)


PICTURE_STYLE = _SHAPES + _drawn(DAY)
"""For a picture of its own: by day."""


def _page(c: Colours) -> str:
    return (
        f":root{{color-scheme:light dark}}body{{background:{c.paper};color:{c.ink}}}"
        f"header p,.hint,figcaption,th,.note,footer,dt{{color:{c.quiet}}}"
        f".card,dl div{{background:{c.card};border-color:{c.line}}}"
        f"td,th{{border-color:{c.line}}}a{{color:{c.hold}}}"
        f".bad{{color:{c.heart}}}"
    )


PAGE_STYLE = (
    "*{box-sizing:border-box}"
    f"body{{margin:0;font:16px/1.5 {_FONT}}}"
    "main{max-width:64rem;margin:0 auto;padding:1.5rem 1rem 3rem}"
    "h1{font-size:1.9rem;line-height:1.2;margin:0}h2{font-size:1.15rem;margin:2.2rem 0 .6rem}"
    "header p{margin:.2rem 0 0}"
    "dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.6rem;"
    "margin:1.2rem 0 0}dl div{border:1px solid;border-radius:.7rem;padding:.6rem .8rem}"
    "dt{font-size:.85rem}dd{margin:0;font-size:1.35rem;font-weight:650;line-height:1.3;"
    "font-variant-numeric:tabular-nums}dd small{display:block;font-size:.82rem;font-weight:400}"
    "figure{margin:0}.card{border:1px solid;border-radius:.7rem;padding:.9rem;margin:0 0 .8rem;"
    "overflow:hidden}.picture{display:block;width:100%;height:auto;overflow:visible}"
    ".narrow{display:block}.wide{display:none}.narrow .picture+.picture{margin-top:1.1rem}"
    ".grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,21rem),1fr));"
    "gap:0 1.6rem}.fit{max-width:30rem}"
    "figcaption,.hint,.note{font-size:.88rem;margin:.6rem 0 0}"
    "table{border-collapse:collapse;width:100%;font-size:.92rem;font-variant-numeric:tabular-nums}"
    "td,th{text-align:left;padding:.38rem .5rem .38rem 0;border-bottom:1px solid;"
    "vertical-align:top;font-weight:400}"
    "thead th{font-size:.82rem}td.n,th.n{text-align:right}tbody th{color:inherit}"
    "footer{font-size:.85rem;margin-top:2.5rem}details{margin-top:.6rem}"
    "summary{cursor:pointer;font-size:.92rem}"
    "@media(min-width:46rem){.narrow{display:none}.wide{display:block}}"
    + _page(DAY)
    + _SHAPES
    + _drawn(DAY)
    + "@media screen and (prefers-color-scheme:dark){"
    + _page(NIGHT)
    + _drawn(NIGHT)
    + "}"
    "@media print{@page{margin:14mm}body{background:#fff;font-size:10.5pt}main{padding:0;"
    "max-width:none}.wide{display:none}.narrow{display:grid;grid-template-columns:1fr 1fr;"
    "gap:1rem 1.4rem}.narrow .picture+.picture{margin-top:0}figure,dl div,tr{break-inside:avoid}"
    "h2{break-after:avoid}dl{grid-template-columns:repeat(5,1fr)}"
    ".picture{-webkit-print-color-adjust:exact;print-color-adjust:exact}"
    "details>*{display:block}details>summary{display:none}}"
)
