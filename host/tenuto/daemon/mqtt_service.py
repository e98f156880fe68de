# SPDX-License-Identifier: MIT
"""What a host has for MQTT: the broker, the bridge and what the bridge is told."""

from __future__ import annotations

import math
import os
import random
from dataclasses import asdict
from typing import TYPE_CHECKING

from tenuto.config.broker import broker_addresses
from tenuto.event_loops import aside
from tenuto.extras import EXTRAS
from tenuto.mqtt.discovery import Subject
from tenuto.sessions.commands import CLASS
from tenuto.wearables import registry
from tenuto.wearables.device_state import DeviceState
from tenuto.wearables.model import Capability
from tenuto.wearables.surroundings import LinkState

from .commands import MQTT
from .management import Management

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AsyncExitStack

    from tenuto.config import Config, Wearable
    from tenuto.mqtt.address import BrokerAddress
    from tenuto.mqtt.bridge import Bridge
    from tenuto.mqtt.leases import Leases
    from tenuto.mqtt.state_topics import StateTopics
    from tenuto.wearables.host_lease import HostLease

    from .build import Host
    from .sinks import Sink, SinkQueue


FIND_TIMEOUT_S = 120.0


def subject_of(wearable: Wearable, config: Config) -> Subject:
    """Return a wearable as it is announced."""
    model = registry.of(wearable)
    return Subject(
        id=wearable.id,
        name=wearable.title,
        heart=config.shares_heart_rate(wearable.person),
        person=wearable.person is not None,
        strength=Capability.STRENGTH in model.capabilities,
        button=Capability.BUTTON in model.capabilities,
        own_firmware=model.newest_firmware() is not None,
        hosted=Capability.PLAYS_ALONE not in model.capabilities,
        # On macOS it is no address but a number that only that computer knows.
        address=(wearable.address or "").upper() if ":" in (wearable.address or "") else "",
        area=wearable.area or "",
        manufacturer=model.manufacturer,
        model=model.title,
    )


class MqttService:
    """MQTT of one host; without a broker every method does nothing.

    Attributes:
        text: Says where the broker is, empty without one.
        bridge, state_topics, management: None without a broker.
        leases: Of the wearables that other hosts have too; None where this host is alone.
    """

    def __init__(self, host: Host) -> None:
        self.text = ""
        self.bridge: Bridge | None = None
        self.state_topics: StateTopics | None = None
        self.management: Management | None = None
        self.leases: Leases | None = None
        self._host = host
        self._broker: tuple[BrokerAddress, ...] = ()

    @property
    def asked_ago_s(self) -> float | None:
        """How long ago the newest command by MQTT was asked, by its own word; None for none."""
        return None if self.bridge is None else self.bridge.newest_age_s

    async def find_broker(self, stack: AsyncExitStack) -> None:
        """Find the broker of the configuration, or start the embedded one, which `stack` ends.

        Without a configuration there is an embedded one where its extra is installed.
        """
        setting, config = self._host.setting, self._host.config
        if config.mqtt.is_off or (math.isinf(setting.speed) and not setting.mqtt):
            return
        await self._host.files.look()  # they are announced
        if config.mqtt.is_embedded:
            if config.file is None and not EXTRAS["broker"].is_installed:
                return
            from tenuto.mqtt.broker import EmbeddedBroker  # noqa: PLC0415 - few need it

            broker = await stack.enter_async_context(EmbeddedBroker())
            self._broker = (broker.address,)
            self.text = f"MQTT for this machine at {broker.address}"
            return
        if setting.broker is not None:
            self._broker = (setting.broker,)
        else:
            self._broker = await aside(
                lambda: broker_addresses(config, os.environ),
                name="find the broker",
                timeout_s=FIND_TIMEOUT_S,
            )
        if self._broker:
            self.text = f"MQTT by the broker at {' or '.join(map(str, self._broker))}"

    def sinks(
        self, wearables: Sequence[Wearable], history: SinkQueue, rng: random.Random
    ) -> tuple[Sink, ...]:
        """Build the sinks for these wearables."""
        if not self._broker:
            return ()
        # Here and not at the top: without MQTT none of it, nor what it stands on, is in memory.
        from tenuto.history.person_summary import PersonSummaries  # noqa: PLC0415
        from tenuto.mqtt.bridge import Bridge  # noqa: PLC0415
        from tenuto.mqtt.home_assistant import HomeAssistant  # noqa: PLC0415
        from tenuto.mqtt.state_topics import StateTopics  # noqa: PLC0415

        host, mqtt = self._host, self._host.config.mqtt
        is_whole = {one.id for one in wearables} == {one.id for one in host.config.wearables}
        home_assistant = HomeAssistant(
            known=host.settings,
            routines=lambda: list(host.files.labels.values()),
            class_routines=lambda: list(host.files.offer.class_labels.values()),
            prefix=mqtt.discovery_prefix,
            language=host.config.home_assistant.language,
            page=host.config.web.address_for_others if host.setting.page else "",
            manage=host.config.home_assistant.manage,
            announce=mqtt.discovery,
        )
        management = Management(host, self._tell_state)
        fleet = host.config.fleet
        if fleet.lease_topic is not None:
            from tenuto.mqtt.leases import Leases  # noqa: PLC0415 - few need it

            own_rng = random.Random(rng.getrandbits(64))  # noqa: S311 - no secrets
            self.leases = Leases(fleet.lease_topic, fleet.host_name, own_rng)
        self.bridge = Bridge(
            self._broker,
            base_topic=mqtt.base_topic,
            submit=lambda asked: host.commands.submit(asked, MQTT),
            rng=random.Random(rng.getrandbits(64)),  # noqa: S311
            utc_ms=host.time.utc_ms,
            table=host.store.outbox,
            home_assistant=home_assistant if is_whole else None,
            manage=management.carry_out if host.config.home_assistant.manage else None,
            leases=self.leases,
        )
        self.management = management
        self._tell_state()
        self.state_topics = StateTopics(
            self.bridge,
            settings=host.settings,
            summaries=PersonSummaries(host.store),
            device=self._device,
            device_id=self._device_id,
            routine_label=self._routine_label,
            flushed=history.flush,
            utc_ms=host.time.utc_ms,
        )
        self.tell_subjects(wearables)
        return self.bridge, self.state_topics

    def lease(self, wearable: Wearable) -> HostLease | None:
        """Return the lease of a wearable that other hosts may have too, None for others."""
        address = wearable.address
        # On macOS it is no address but a number that only that computer knows.
        if self.leases is None or address is None or ":" not in address:
            return None
        return self.leases.of(address)

    def _tell_state(self) -> None:
        if self.bridge is not None and self.management is not None:
            self.bridge.set_state(self.management.state)

    async def close(self) -> None:
        """End what was asked of the host itself and is under way."""
        if self.management is not None:
            await self.management.close()

    async def keep(self) -> None:
        """Put the events that the broker does not have yet where they survive a restart."""
        if self.bridge is not None:
            await self.bridge.keep()

    def tell_subjects(self, wearables: Sequence[Wearable]) -> None:
        """Say which wearables there are, and who wears them."""
        if self.bridge is None or self.state_topics is None:
            return
        worn_by = {wearable.person for wearable in wearables}
        people = [
            Subject(id=person.id, name=person.name or person.id)
            for person in self._host.config.people
            if person.id in worn_by
        ]
        subjects = [subject_of(wearable, self._host.config) for wearable in wearables]
        self.bridge.set_subjects(subjects, people)
        self.state_topics.set_subjects([w.id for w in wearables], [one.id for one in people])
        self.bridge.announce_anew()

    def _routine_label(self, wearable: str, name: str | None) -> str:
        config, labels = self._host.config, self._host.files.labels
        if wearable == CLASS:
            name = self._host.class_routine(config.wearables[0].id)
        name = name or config.routine_for(config.wearable(wearable))
        return labels.get(name, name)

    def say_settings(self, wearable: str) -> None:
        """Say what is set for a wearable."""
        if self.state_topics is not None:
            self.state_topics.say_settings(wearable)

    def refresh(self) -> None:
        """Have what is told of the history worked out again."""
        if self.state_topics is not None:
            self.state_topics.refresh()

    def say_class(self) -> None:
        """Say how the class is, where there can be one."""
        status = self._host.classes.status()
        if self.bridge is not None and (len(self._host.supervisors) > 1 or status.members):
            from tenuto.mqtt.topics import class_payload  # noqa: PLC0415 - likewise

            self.bridge.set_class(class_payload(asdict(status)))

    def on_link(self, wearable: str, state: LinkState) -> None:
        """Say that the link of a wearable came or went."""
        supervisor = self._host.supervisors.get(wearable)
        if self.bridge is not None:
            if state is LinkState.UP and supervisor is not None:
                if supervisor.present is not None:
                    self.bridge.wearable_plays(wearable, supervisor.present)
                elif supervisor.is_idle:
                    self.bridge.wearable_idle(wearable)
            self.bridge.wearable_online(wearable, state is LinkState.UP)
        if self.state_topics is not None and supervisor is not None:
            self.state_topics.say_device(wearable)

    def _device_id(self, name: str) -> str | None:
        supervisor = self._host.supervisors.get(name)
        return None if supervisor is None else supervisor.device

    def _device(self, name: str) -> DeviceState:
        """Return what is known of a wearable as a thing."""
        supervisor = self._host.supervisors.get(name)
        wearable = self._host.config.wearable(name)
        return DeviceState(
            link=wearable.link,
            battery_pct=None if supervisor is None else supervisor.battery_pct,
            rssi_dbm=self._host.drivers.rssi_dbm(name),
            firmware=None if supervisor is None else supervisor.firmware,
            latest_firmware=registry.of(wearable).newest_firmware(),
            capabilities=registry.of(wearable).capabilities.words,
        )
