# SPDX-License-Identifier: MIT
"""What may be asked of the host itself by MQTT: to restart, to log more or less, to pair.

Whoever may write to its topics has this power, so the configuration must allow it, and

- a restart needs a service manager that starts the process again, is refused while a session goes
  on, and comes at most once a minute: systemd gives up on what it starts too often;
- pairing is for wearables of the configuration alone, for two minutes, and only those that do not
  trust this computer any more. The gesture of the wearer and the proof of the key are asked for as
  by `tenuto pair`; what a device wants to know of a person is refused.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from tenuto import __version__
from tenuto.errors import InputError, LinkReason, RefusedError, TenutoError
from tenuto.links.registry import LINKS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenuto.mqtt.management import HostRequest

    from .build import Host

_log = logging.getLogger(__name__)

RESTART_EVERY_S = 60.0
PAIRING_S = 120.0
_PAIRS_AGAIN = frozenset({LinkReason.NOT_PAIRED, LinkReason.BOND_LOST})


class Management:
    """Carries out what is asked of a host.

    Args:
        host: The host.
        on_change: Called when `state` is another one.
    """

    def __init__(self, host: Host, on_change: Callable[[], None]) -> None:
        self._host = host
        self._on_change = on_change
        self._since_s = asyncio.get_running_loop().time()
        self._pairing: asyncio.Task[None] | None = None

    @property
    def state(self) -> dict[str, Any]:
        """How the host is, for the topic `bridge/state`."""
        level = logging.getLogger("tenuto").getEffectiveLevel()
        return {
            "version": __version__,
            "log_level": logging.getLevelName(level).lower(),
            "pairing": self._pairing is not None,
        }

    async def carry_out(self, asked: HostRequest) -> str:
        """Do what is asked.

        Returns:
            What to say about it.

        Raises:
            RefusedError: With the reason; nothing has changed.
        """
        if asked.name == "restart":
            return self._restart()
        if asked.name == "log_level":
            logging.getLogger("tenuto").setLevel(str(asked.value).upper())
            self._on_change()
            return f"Tenuto logs {asked.value} and above until its next start"
        return self._pair() if asked.value else self._end_pairing()

    async def close(self) -> None:
        """End what is under way."""
        task = self._pairing
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    def _restart(self) -> str:
        restart = self._host.setting.restart
        if restart is None:
            text = "nothing would start Tenuto again: this works where systemd runs it"
            raise RefusedError("no_service_manager", text)
        if self._host.hub.is_playing:
            raise RefusedError("busy", "a session goes on: stop it first")
        since_s = asyncio.get_running_loop().time() - self._since_s
        if since_s < RESTART_EVERY_S:
            text = f"Tenuto was started {since_s:.0f} s ago; once a minute is allowed"
            raise RefusedError("too_soon", text)
        restart()
        return "Tenuto restarts"

    def _pair(self) -> str:
        if self._pairing is not None:
            raise RefusedError("busy", "pairing is on already")
        wanted = [
            wearable.id
            for wearable in self._host.config.wearables
            if wearable.address is not None
            and not LINKS[wearable.link].is_simulated
            and (supervisor := self._host.supervisors.get(wearable.id)) is not None
            and supervisor.problem is not None
            and supervisor.problem.reason in _PAIRS_AGAIN
        ]
        if not wanted:
            text = (
                "no wearable of the configuration waits to be paired; a new one is added by "
                "`tenuto pair` on the computer itself"
            )
            raise RefusedError("nothing_to_pair", text)
        self._pairing = asyncio.create_task(self._pair_each(wanted), name="pairing mode")
        self._pairing.add_done_callback(self._pairing_ended)
        self._on_change()
        return f"pairing with {', '.join(wanted)}, for {PAIRING_S:.0f} s: now its gesture"

    def _pairing_ended(self, _task: asyncio.Task[None]) -> None:
        self._pairing = None
        self._on_change()

    def _end_pairing(self) -> str:
        if self._pairing is None:
            return "pairing is off"
        self._pairing.cancel()
        return "pairing ends"

    async def _pair_each(self, names: Sequence[str]) -> None:
        from .operations import PAIR, Address  # noqa: PLC0415 - it imports what builds this

        try:
            async with asyncio.timeout(PAIRING_S):
                for name in names:
                    try:
                        await PAIR.carry_out(self._host, Address(address=name), _Nobody())
                        _log.info("wearable=%s paired", name)
                    except TenutoError as error:
                        _log.info("wearable=%s not paired: %s", name, error)
        except TimeoutError:
            _log.info("pairing ended after %.0f s", PAIRING_S)


class _Nobody:
    """Whoever asks by MQTT: hears nothing, and cannot be asked."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    def show(self, text: str) -> None:
        _log.info("%s", text)

    async def ask(self, text: str) -> str:
        raise InputError(f"nobody is there to answer {text!r}: `tenuto pair` asks at the terminal")

    async def tell(self, items: Sequence[Any]) -> None:
        """Leave out what happens on the way."""
