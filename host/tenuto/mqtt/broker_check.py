# SPDX-License-Identifier: MIT
"""Asks a broker whether it would let us in."""

from __future__ import annotations

import asyncio
import logging
import secrets
import ssl
from typing import TYPE_CHECKING

import aiomqtt

from tenuto.errors import InputError, one_line

from .client import PublishRefusedError, is_unexplained, make_client, refusal, tls_context
from .wrong_peer import what_answers

if TYPE_CHECKING:
    from .address import BrokerAddress

ECHO_TIMEOUT_S = 3.0

_log = logging.getLogger(__name__)
# What the client logs of a connection that fails is said by `probe` already.
_log.addHandler(logging.NullHandler())
_log.propagate = False


async def probe(address: BrokerAddress, timeout_s: float, base_topic: str = "tenuto") -> str | None:
    """Connect to a broker, publish something and wait until it comes back, and leave again.

    Before version 5 of MQTT a broker drops what its access list denies without a word, so only a
    message that comes back shows that it was published.

    Args:
        address: Address of the broker.
        timeout_s: For connecting, and once more for the message.
        base_topic: Where Tenuto publishes.

    Returns:
        What went wrong, None if nothing did.
    """
    topic, payload = f"{base_topic}/bridge/check", secrets.token_hex(8)
    try:
        client = make_client(address, timeout_s=timeout_s, tls=tls_context(address), logger=_log)
        async with asyncio.timeout(2 * timeout_s), client:
            await client.subscribe(topic, qos=1)
            await client.publish(topic, payload, qos=1)
            try:
                async with asyncio.timeout(ECHO_TIMEOUT_S):
                    async for message in client.messages:
                        if message.payload == payload.encode():
                            break
            except TimeoutError:
                return (
                    f"it lets this user in, but not publish and read below {base_topic}/; see the "
                    "access list in the broker's configuration"
                )
            return None
    except PublishRefusedError as error:
        return f"{error}; see the access list in the broker's configuration"
    except (aiomqtt.MqttError, InputError, OSError, ssl.SSLError) as error:
        is_silence = isinstance(error, TimeoutError) or str(error) == "Operation timed out"
        found = await what_answers(address) if is_unexplained(error) else refusal(error)
        return found or (f"no answer in {timeout_s:.0f} s" if is_silence else one_line(error))
