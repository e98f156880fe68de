# SPDX-License-Identifier: MIT
"""Asks a broker whether it would let us in."""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import TYPE_CHECKING

import aiomqtt

if TYPE_CHECKING:
    from .address import BrokerAddress

_log = logging.getLogger(__name__)
# What the client logs of a connection that fails is said by `probe` already.
_log.addHandler(logging.NullHandler())
_log.propagate = False


async def probe(address: BrokerAddress, timeout_s: float) -> str | None:
    """Connect to a broker and leave again; returns what went wrong, None if nothing did."""
    try:
        context = None
        if address.tls:
            context = ssl.create_default_context(cafile=address.ca_file)
            if address.certificate is not None:
                context.load_cert_chain(
                    address.certificate, address.certificate_key, password=lambda: ""
                )
        async with (
            asyncio.timeout(timeout_s),
            aiomqtt.Client(
                address.host,
                address.port,
                username=address.user,
                password=address.password,
                tls_context=context,
                timeout=timeout_s,
                logger=_log,
            ),
        ):
            return None
    except TimeoutError:
        return f"no answer in {timeout_s:.0f} s"
    except (aiomqtt.MqttError, OSError, ssl.SSLError) as error:
        return str(error) or type(error).__name__
