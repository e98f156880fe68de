# SPDX-License-Identifier: MIT
from tenuto.testing import Band, VirtualWorld


def test_a_press_begins_the_routine(tenuto_world: VirtualWorld, tenuto_band: Band) -> None:
    tenuto_band.load("lower-back-short")
    tenuto_band.press()
    tenuto_world.advance(20)  # of simulated time: it takes a moment
    assert tenuto_band.is_playing
    for edge in tenuto_band.edges:
        print(f"{edge.t_ms:8.0f} ms  motor {edge.strength_pct} %")
