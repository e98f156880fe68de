# SPDX-License-Identifier: MIT
"""Who is obeyed, on the air and on a cable: keys and peers together."""

from __future__ import annotations

import hashlib
import os

import pytest

from tenuto_core import auth, vocab, wire
from tenuto_core.auth import KEYS_MAX, TRIES_MAX, Keyring
from tenuto_core.band import END_ALL, END_NONE, END_UNPROVEN, PAIRING_MS
from tenuto_core.host_connection import HostConnection
from tenuto_core.storage import Storage
from tests.core.rig import Host, Wrist

OLD, NEW, OTHER = b"o" * 16, b"n" * 16, b"x" * 16
NONCE = b"h" * 16


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def locked() -> Wrist:
    """A band that obeys nobody yet."""
    wrist = Wrist()
    wrist.band.keyring = Keyring(sha256, os.urandom, Storage())
    return wrist


def on_the_air(wrist: Wrist) -> Host:
    return Host(wrist)


def on_a_cable(wrist: Wrist) -> Host:
    host = Host(wrist)
    host.peer = HostConnection(wrist.band, by_cable=True)
    return host


def proves(host: Host, key: bytes) -> bool:
    (_, nonce), _ = host.ask(wire.CHALLENGE, auth.key_id(sha256, key), NONCE)
    proof = auth.host_proof(sha256, key, NONCE, nonce)
    (status, own), _ = host.ask(wire.PROOF, proof)
    if status != vocab.OK:
        return False
    assert own == auth.band_proof(sha256, key, NONCE, nonce)
    return True


def hands_over(host: Host, key: bytes) -> int:
    """Give the status of the answer; the motor has its time to say what it has to."""
    (status, _), _ = host.ask(wire.KEY_SET, key)
    host.wrist.run(2_000)
    return int(status)


def in_the_window(wrist: Wrist) -> Host:
    """Give a host that has come after the gesture."""
    wrist.band.open_pairing(wrist.now_ms)
    wrist.run(3_000)
    return on_the_air(wrist)


def features(host: Host) -> int:
    values, _ = host.ask(wire.HELLO)
    return int(values[6])


def is_obeyed(host: Host) -> bool:
    host.send(wire.STATE)
    frame = host.pull()
    assert frame is not None
    return frame[0] == wire.STATE | wire.ANSWER


def test_a_band_tells_everybody_which_it_is() -> None:
    wrist = locked()
    assert not features(on_the_air(wrist)) & wire.FEATURE_IDENTITY
    wrist.band.serial, wrist.band.address = b"e6614c31", bytes.fromhex("0600000000c00000")

    for host in (on_the_air(wrist), on_a_cable(wrist)):
        assert features(host) & wire.FEATURE_IDENTITY
        assert host.ask(wire.IDENTITY) == (
            (vocab.OK, bytes.fromhex("0600000000c00000")),
            b"e6614c31",
        )


def test_a_band_that_has_no_number_does_not_understand_who_asks_for_it() -> None:
    host = on_the_air(locked())
    host.send(wire.IDENTITY)
    frame = host.pull()
    assert frame is not None
    assert frame[0] == wire.NOT_UNDERSTOOD
    assert frame[2] == (vocab.UNKNOWN_REQUEST, wire.IDENTITY)


def test_a_key_that_is_handed_over_again_is_answered_as_the_first_time() -> None:
    """The answer may be lost; the window is closed by then."""
    wrist = locked()
    host = in_the_window(wrist)
    assert hands_over(host, NEW) == vocab.OK

    assert hands_over(host, NEW) == vocab.OK
    assert hands_over(host, OTHER) == vocab.NOT_OPEN
    assert hands_over(on_the_air(wrist), NEW) == vocab.NOT_OPEN, "nobody learns which there are"


def test_a_host_that_proves_its_key_and_brings_another_has_the_new_one_only() -> None:
    wrist = locked()
    assert hands_over(on_a_cable(wrist), OTHER) == vocab.OK
    assert hands_over(on_a_cable(wrist), OLD) == vocab.OK
    host = on_a_cable(wrist)
    assert proves(host, OLD)

    assert hands_over(host, NEW) == vocab.OK

    assert proves(on_the_air(wrist), NEW)
    assert proves(on_the_air(wrist), OTHER)
    assert not proves(on_the_air(wrist), OLD)


def test_a_program_that_opens_the_port_after_another_replaces_no_key_of_that() -> None:
    """A port that is closed and opened at once looks to the band as if it had been open."""
    wrist = locked()
    port = on_a_cable(wrist)
    assert hands_over(port, OLD) == vocab.OK
    features(port)  # each program's first request
    assert hands_over(port, NEW) == vocab.OK

    assert proves(on_the_air(wrist), OLD)
    assert proves(on_the_air(wrist), NEW)


def test_on_a_cable_wrong_guesses_do_not_stand_in_the_way_of_a_new_key() -> None:
    host = on_a_cable(locked())
    for _ in range(TRIES_MAX + 1):
        assert not proves(host, OTHER)

    assert hands_over(host, NEW) == vocab.OK
    assert proves(host, NEW)


def test_who_was_let_in_over_the_air_is_out_when_a_key_comes_by_cable() -> None:
    """Whoever overheard the pairing may be connected at this very moment."""
    wrist = locked()
    by_key, by_window = in_the_window(wrist), on_the_air(wrist)
    by_window.peer.admit(wrist.now_ms)
    assert hands_over(by_key, OLD) == vocab.OK
    assert is_obeyed(by_key)
    assert is_obeyed(by_window)

    assert hands_over(on_a_cable(wrist), NEW) == vocab.OK

    for host in (by_key, by_window):
        assert not is_obeyed(host)
        assert features(host) & wire.FEATURE_LOCKED


def test_a_key_by_cable_leaves_in_who_has_another_one() -> None:
    wrist = locked()
    hands_over(on_a_cable(wrist), OLD)
    host = on_the_air(wrist)
    assert proves(host, OLD)

    for number in range(KEYS_MAX - 1):
        hands_over(on_a_cable(wrist), bytes([number]) * 16)
        assert is_obeyed(host)
    hands_over(on_a_cable(wrist), NEW)
    assert not is_obeyed(host), "the oldest has given way"


@pytest.mark.parametrize("in_window", [False, True])
def test_a_band_that_takes_keys_by_cable_only_says_so(in_window: bool) -> None:
    wrist = locked()
    host = on_the_air(wrist)
    assert not features(host) & wire.FEATURE_CABLE_ONLY
    hands_over(on_a_cable(wrist), NEW)
    if in_window:
        host = in_the_window(wrist)
        wrist.run(PAIRING_MS // 2)
        host.peer.admit(wrist.now_ms)

    assert features(host) & wire.FEATURE_CABLE_ONLY
    assert features(host) & wire.FEATURE_LOCKED
    assert hands_over(host, OTHER) == vocab.NOT_OPEN
    assert not features(on_a_cable(wrist)) & wire.FEATURE_CABLE_ONLY


def press(wrist: Wrist, hold_ms: int) -> None:
    wrist.band.edge(pressed=True, at_ms=wrist.now_ms, now_ms=wrist.now_ms)
    wrist.run(hold_ms)
    wrist.band.edge(pressed=False, at_ms=wrist.now_ms, now_ms=wrist.now_ms)


def test_whoever_sat_on_the_link_before_the_gesture_is_not_meant_by_it() -> None:
    """A stranger that has bonded needs no more than to wait for somebody else's pairing."""
    wrist = locked()
    waiting = on_the_air(wrist)
    felt = len(wrist.motor.pulses)
    meant = in_the_window(wrist)
    waiting.peer.admit(wrist.now_ms)

    assert wrist.band.ending == END_UNPROVEN
    assert not features(waiting) & wire.FEATURE_OPEN
    assert features(waiting) & wire.FEATURE_LOCKED
    assert hands_over(waiting, OTHER) == vocab.NOT_OPEN
    assert not is_obeyed(waiting)
    assert len(wrist.motor.pulses) - felt == 3, "the window opens, and no key has come"
    assert features(meant) & wire.FEATURE_OPEN
    assert hands_over(meant, NEW) == vocab.OK


def test_a_window_lets_in_nobody_who_came_in_an_earlier_one() -> None:
    wrist = locked()
    earlier = in_the_window(wrist)
    earlier.peer.admit(wrist.now_ms)
    assert is_obeyed(earlier)
    wrist.run(2 * PAIRING_MS)

    meant = in_the_window(wrist)

    assert hands_over(earlier, OTHER) == vocab.NOT_OPEN
    assert not earlier.peer.is_proven, "so its link is ended"
    assert hands_over(meant, NEW) == vocab.OK
    assert meant.peer.is_proven


def test_a_gesture_ends_the_links_of_whoever_is_connected() -> None:
    wrist = locked()
    for _ in range(2):
        press(wrist, 100)
        wrist.run(100)
    press(wrist, 900)
    assert wrist.band.is_pairing(wrist.now_ms)
    assert wrist.band.ending == END_UNPROVEN
    wrist.run(2 * PAIRING_MS)
    wrist.band.ending = END_NONE
    felt = len(wrist.motor.pulses)

    press(wrist, 700)
    wrist.run(1_000)
    assert wrist.band.ending == END_NONE
    press(wrist, 900)
    wrist.run(1_000)

    assert wrist.band.ending == END_ALL
    assert len(wrist.motor.pulses) == felt + 1, "it is felt"
    assert not wrist.band.is_pairing(wrist.now_ms)


def test_a_hold_that_ends_an_alert_ends_no_link() -> None:
    wrist = locked()
    wrist.band.alert(2, wrist.now_ms)
    wrist.run(500)
    press(wrist, 900)
    wrist.run(1_000)

    assert wrist.band.ending == END_NONE


def forgets(host: Host) -> tuple[int, int]:
    host.wrist.run(2_000)
    (status, left), _ = host.ask(wire.KEYS_FORGET)
    return int(status), int(left)


def test_by_cable_the_keys_of_all_others_are_taken_away() -> None:
    wrist = locked()
    assert hands_over(on_a_cable(wrist), OLD) == vocab.OK
    lost = on_the_air(wrist)
    assert proves(lost, OLD)
    host = on_a_cable(wrist)
    assert hands_over(host, NEW) == vocab.OK

    assert forgets(host) == (vocab.OK, 1)

    assert not is_obeyed(lost), "in the midst of a connection"
    assert not proves(on_the_air(wrist), OLD)
    assert proves(on_the_air(wrist), NEW)
    assert forgets(host) == (vocab.OK, 1), "asked again, for the answer was lost"


def test_over_the_air_nobody_takes_a_key_away() -> None:
    wrist = locked()
    assert hands_over(on_a_cable(wrist), OLD) == vocab.OK
    assert hands_over(on_a_cable(wrist), NEW) == vocab.OK
    thief = on_the_air(wrist)
    assert proves(thief, OLD)

    assert forgets(thief) == (vocab.NOT_OPEN, 2)

    assert proves(on_the_air(wrist), NEW)


def test_keys_are_not_forgotten_while_a_cue_is_near() -> None:
    wrist = locked()
    host = on_a_cable(wrist)
    assert hands_over(host, NEW) == vocab.OK
    wrist.band.open_pairing(wrist.now_ms)

    assert host.ask(wire.KEYS_FORGET)[0] == (vocab.BUSY, 1)

    assert forgets(host) == (vocab.OK, 1)
