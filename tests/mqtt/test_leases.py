# SPDX-License-Identifier: MIT
"""Claims of leases as they are on MQTT; what they mean is in tests/sessions/test_lease.py."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from tenuto.mqtt.leases import OTHERS_MAX, Leases, claim_payload, parse_claim
from tenuto.mqtt.topics import encode
from tenuto.sessions.lease import NUMBER_MAX, Claim, Use

GOOD: dict[str, Any] = claim_payload(Claim(7, "0123456789abcdef", 12, "room-a", Use.LINKED))


def test_a_claim_is_read_as_it_was_written() -> None:
    assert claim_payload(parse_claim(encode(GOOD))) == GOOD


@pytest.mark.parametrize(
    "wrong",
    [
        *({"number": one} for one in (0, True, 1.0, "7", None, NUMBER_MAX + 1)),
        *({"claim": one} for one in ("", "0123456789ABCDEF", 7, "0" * 17)),
        *({"beat": one} for one in (-1, True, None, NUMBER_MAX + 1)),
        *({"host": one} for one in ("", "a" * 65, "a\nb", 7)),
        *({"use": one} for one in ("", "mine", None)),
        {"more": "x" * 512},
    ],
    ids=str,
)
async def test_what_is_no_claim_changes_nothing(
    wrong: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    leases = Leases("leases", "b", random.Random(1))
    lease = leases.of("c0:00:00:00:00:01")
    lease.connect()
    topic = "leases/C00000000001"
    for payload in (encode(GOOD | wrong), b"", b"\xff", b"[]", b"[" * 500):
        assert leases.take(topic, payload, retained=False)
    assert lease.holder is None
    assert len(caplog.records) == 1, "it is said once"
    assert not leases.take("other/C00000000001", json.dumps(GOOD).encode(), retained=False)
    assert lease.holder is None

    assert leases.take(topic, encode(GOOD), retained=False)
    assert lease.holder is not None
    assert lease.holder.host == "room-a"
    leases.close()


async def test_a_wearable_that_comes_later_has_the_claim_that_came_before() -> None:
    """As when a host has subscribed and sets up its wearables, or gets a new one."""
    leases = Leases("leases", "b", random.Random(1))
    assert leases.take("leases/C00000000001", encode(GOOD | {"host": "room-c"}), retained=True)
    assert leases.take("leases/C00000000001", encode(GOOD | {"beat": 13}), retained=False)
    for number in range(2 * OTHERS_MAX):
        assert leases.take(f"leases/{number:012X}", encode(GOOD), retained=True)
    lease = leases.of("c0:00:00:00:00:01")
    assert lease.holder is not None
    assert lease.holder.host == "room-a"
    assert len(leases._others) < OTHERS_MAX, "others take no more room than that"
    leases.close()
