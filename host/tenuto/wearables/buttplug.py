# SPDX-License-Identifier: MIT
"""The messages of Buttplug that vibrate a device, in versions 3 and 4 of its protocol.  Pure.

A text is a JSON list of objects, each with one message by its name.  Every message of a client has
an `Id` above 0, which the answer repeats; what a server says by itself has 0.
What comes from a server is taken as it comes: what is not understood counts for nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CLIENT_NAME = "Tenuto"
ID_MAX = 0xFFFFFFFF
MOTORS_MAX = 32
DEVICES_MAX = 256
STEPS_MAX = 100_000
NAME_MAX = 200
VIBRATE = "Vibrate"


@dataclass(frozen=True, slots=True)
class VibratingMotor:
    """One of the motors of a device; index: its number there; steps: strengths besides off."""

    index: int
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VibratingDevice:
    """A device that can vibrate.

    Attributes:
        gap_ms: How far apart commands to it must be.
    """

    index: int
    name: str
    motors: tuple[VibratingMotor, ...]
    gap_ms: int = 0


@dataclass(frozen=True, slots=True)
class Message:
    """One message: its name and what is in it."""

    name: str
    fields: Mapping[str, Any]

    @property
    def id(self) -> int:
        """What it answers, 0 for nothing."""
        return _whole(self.fields.get("Id"), ID_MAX) or 0


def pack(messages: Sequence[Message]) -> str:
    """Return the text of messages."""
    return json.dumps([{message.name: dict(message.fields)} for message in messages])


def unpack(text: str) -> list[Message]:
    """Return the messages of a text; what is none is left out.

    Raises:
        ValueError: It is no JSON list.
    """
    try:
        data = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(data, list):
        raise ValueError("it is no list")  # noqa: TRY004 - the same for who calls
    return [
        Message(name, fields)
        for item in data
        if isinstance(item, dict) and len(item) == 1
        for name, fields in item.items()
        if isinstance(fields, dict)
    ]


class Version(Protocol):
    """What differs from version to version."""

    number: int

    def hello(self) -> Message:
        """Return what a client says first; its answer is `ServerInfo`."""
        ...

    def devices(self, message: Message) -> list[VibratingDevice] | None:
        """Return the devices that a message lists in whole, None if it lists none."""
        ...

    def vibrate(self, device: VibratingDevice, level: float) -> list[Message]:
        """Return what makes all motors of a device vibrate.

        Args:
            device: The device.
            level: 0 to 1; what is beyond counts as that, for a server may pass it on.
        """
        ...

    def stop(self, device: VibratingDevice) -> Message:
        """Return what stops a device."""
        ...


class Version3:
    """Version 3, of Intiface Central before 3.0."""

    number = 3

    def hello(self) -> Message:
        """See `Version`."""
        return Message("RequestServerInfo", {"ClientName": CLIENT_NAME, "MessageVersion": 3})

    def devices(self, message: Message) -> list[VibratingDevice] | None:
        """See `Version`."""
        listed = message.fields.get("Devices")
        if message.name != "DeviceList" or not isinstance(listed, list):
            return None
        return [
            device for item in listed[:DEVICES_MAX] if (device := self._device(item)) is not None
        ]

    @staticmethod
    def _device(item: Any) -> VibratingDevice | None:  # noqa: ANN401 - whatever a server sends
        if not isinstance(item, dict) or not isinstance(item.get("DeviceMessages"), dict):
            return None
        scalars = item["DeviceMessages"].get("ScalarCmd")
        motors = [
            VibratingMotor(index, steps)
            for index, one in enumerate(scalars if isinstance(scalars, list) else ())
            if isinstance(one, dict) and one.get("ActuatorType") == VIBRATE
            if (steps := _whole(one.get("StepCount"), STEPS_MAX))
        ]
        return _device(item, motors)

    def vibrate(self, device: VibratingDevice, level: float) -> list[Message]:
        """See `Version`."""
        scalars = [
            {
                "Index": motor.index,
                "Scalar": _step(level, motor.steps) / motor.steps,
                "ActuatorType": VIBRATE,
            }
            for motor in device.motors
        ]
        return [Message("ScalarCmd", {"DeviceIndex": device.index, "Scalars": scalars})]

    def stop(self, device: VibratingDevice) -> Message:
        """See `Version`."""
        return Message("StopDeviceCmd", {"DeviceIndex": device.index})


class Version4:
    """Version 4, of Intiface Central from 3.0 on."""

    number = 4

    def hello(self) -> Message:
        """See `Version`."""
        return Message(
            "RequestServerInfo",
            {"ClientName": CLIENT_NAME, "ProtocolVersionMajor": 4, "ProtocolVersionMinor": 0},
        )

    def devices(self, message: Message) -> list[VibratingDevice] | None:
        """See `Version`."""
        listed = message.fields.get("Devices")
        if message.name != "DeviceList" or not isinstance(listed, dict):
            return None
        items = list(listed.values())[:DEVICES_MAX]
        return [device for item in items if (device := self._device(item)) is not None]

    @staticmethod
    def _device(item: Any) -> VibratingDevice | None:  # noqa: ANN401 - whatever a server sends
        if not isinstance(item, dict) or not isinstance(item.get("DeviceFeatures"), dict):
            return None
        return _device(item, list(_motors_4(item["DeviceFeatures"].values())))

    def vibrate(self, device: VibratingDevice, level: float) -> list[Message]:
        """See `Version`."""
        return [
            Message(
                "OutputCmd",
                {
                    "DeviceIndex": device.index,
                    "FeatureIndex": motor.index,
                    "Command": {VIBRATE: {"Value": _step(level, motor.steps)}},
                },
            )
            for motor in device.motors
        ]

    def stop(self, device: VibratingDevice) -> Message:
        """See `Version`."""
        return Message("StopCmd", {"DeviceIndex": device.index, "Inputs": False, "Outputs": True})


VERSIONS: tuple[Version, ...] = (Version4(), Version3())
"""The newest first, as a client tries them."""


def _motors_4(features: Any) -> Iterator[VibratingMotor]:  # noqa: ANN401 - as above
    for feature in features:
        if not isinstance(feature, dict) or not isinstance(feature.get("Output"), dict):
            continue
        index = _whole(feature.get("FeatureIndex"), STEPS_MAX)
        output = feature["Output"].get(VIBRATE)
        limits = output.get("Value") if isinstance(output, dict) else None
        if index is None or not isinstance(limits, list) or len(limits) != 2:
            continue
        steps = _whole(limits[1], STEPS_MAX)
        if steps:
            yield VibratingMotor(index, steps)


def _device(item: Mapping[str, Any], motors: Sequence[VibratingMotor]) -> VibratingDevice | None:
    """Return a device that vibrates, None for one that does not, or that says no number."""
    index = _whole(item.get("DeviceIndex"), ID_MAX)
    if index is None or not motors:
        return None
    names = (item.get("DeviceDisplayName"), item.get("DeviceName"))
    told = next((name for name in names if isinstance(name, str) and name), "")
    name = "".join(letter for letter in told[:NAME_MAX] if letter.isprintable())
    return VibratingDevice(
        index=index,
        name=name or f"device {index}",
        motors=tuple(motors[:MOTORS_MAX]),
        gap_ms=_whole(item.get("DeviceMessageTimingGap"), 10_000) or 0,
    )


def _step(level: float, steps: int) -> int:
    """Return the step of a motor for a level: the nearest, and for more than nothing at least 1."""
    level = min(1.0, max(0.0, level))
    return max(1, round(level * steps)) if level > 0 else 0


def _whole(value: object, most: int) -> int | None:
    """Return a whole number of 0 to `most`, None for anything else."""
    return value if type(value) is int and 0 <= value <= most else None
