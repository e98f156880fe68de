# SPDX-License-Identifier: MIT
"""Asks a broker whether it would let us in."""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import TYPE_CHECKING

import aiomqtt

from tenuto.errors import InputError

from .client import make_client, tls_context

if TYPE_CHECKING:
    from .address import BrokerAddress

_log = logging.getLogger(__name__)
# What the client logs of a connection that fails is said by `probe` already.
_log.addHandler(logging.NullHandler())
_log.propagate = False


async def probe(address: BrokerAddress, timeout_s: float) -> str | None:
    """Connect to a broker and leave again; returns what went wrong, None if nothing did."""
    try:
        client = make_client(address, timeout_s=timeout_s, tls=tls_context(address), logger=_log)
        async with asyncio.timeout(timeout_s), client:
            return None
    except TimeoutError:
        return f"no answer in {timeout_s:.0f} s"
    except (aiomqtt.MqttError, InputError, OSError, ssl.SSLError) as error:
        return str(error) or type(error).__name__
