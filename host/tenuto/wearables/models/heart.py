# SPDX-License-Identifier: MIT
"""A heart-rate sensor that is worn with a wearable: a chest strap, or a watch that sends it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tenuto.links.scan import HEART_RATE
from tenuto.wearables.model import Capability, Model

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenuto.config import Wearable
    from tenuto.links.ble_adapter import BleAdapter
    from tenuto.links.scan import Found
    from tenuto.sessions.heart import Measurement
    from tenuto.wearables.base import Sensor, SensorStatus
    from tenuto.wearables.model import BuildContext


def _is_one(found: Found) -> bool:
    return HEART_RATE in found.services


def _build_sensor(
    wearable: Wearable,
    context: BuildContext,
    hear: Callable[[Measurement, str, str | None], None],
) -> Sensor | None:
    if wearable.heart is None or wearable.heart.upper() == (wearable.address or "").upper():
        return None  # the wearable's own link brings the beats, and no device is opened twice
    from tenuto.wearables.strap import Strap  # noqa: PLC0415 - it needs bleak

    return Strap(
        context.adapter(wearable.adapter),
        wearable.heart,
        kind=wearable.heart_sensor,
        on_measurement=hear,
        rng=random.Random(context.rng.getrandbits(64)),  # noqa: S311 - jitter
    )


async def _check_sensor(
    wearable: Wearable, adapter: Callable[[str | None], BleAdapter]
) -> SensorStatus:
    from tenuto.wearables.strap import look  # noqa: PLC0415 - it needs bleak

    assert wearable.heart is not None  # noqa: S101 - or it is not asked for
    return await look(adapter(wearable.adapter), wearable.heart)


MODEL = Model(
    id="heart",
    title="heart-rate sensor",
    manufacturer="Bluetooth",
    use="heart rate only: `heart` of the wearable that it is worn with",
    capabilities=Capability.HEART,
    is_one=_is_one,
    worn_as="heart",
    build_sensor=_build_sensor,
    check_sensor=_check_sensor,
)
