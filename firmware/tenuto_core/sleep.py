# SPDX-License-Identifier: MIT
"""When a wearable may sleep deeply, and how often it advertises until then.

Deep sleep ends the program: memory, log and link are gone, and only the button (or a charger, or
motion, where the board has them) wakes it.  So it is never chosen in a session, while somebody is
connected, on a cable, in the pairing window, or while the log holds sessions that no host has
fetched, unless the battery is nearly empty, when all would be lost anyway.
"""

FAST_MS = 30_000
FAST_INTERVAL_MS = 100
SLOW_INTERVAL_MS = 1_000
AWAKE_MS = 120_000
EMPTY_PCT = 3


def interval_ms(idle_ms: int) -> int:
    """Return the interval of advertising when nothing has happened for `idle_ms`."""
    return FAST_INTERVAL_MS if idle_ms < FAST_MS else SLOW_INTERVAL_MS


def may_sleep(
    *,
    gains: bool,
    idle_ms: int,
    is_playing: bool,
    is_connected: bool,
    is_pairing: bool,
    on_cable: bool,
    has_unread: bool,
    battery_pct: int,
) -> bool:
    """Return whether to sleep now.

    Args:
        gains: Whether deep sleep saves power on this board; on the nRF52840 the idle radio takes as
            little, and the log is kept.
        idle_ms: Time since a press, a link or a session.
        has_unread: See above.
        battery_pct: 0 to 100, 255 where it is not known.
    """
    if not gains or is_playing or is_connected or is_pairing or on_cable or idle_ms < AWAKE_MS:
        return False
    return not has_unread or battery_pct <= EMPTY_PCT
