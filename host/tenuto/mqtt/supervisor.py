# SPDX-License-Identifier: MIT
"""The broker that Home Assistant's supervisor offers to its apps, by its services API."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from tenuto.errors import InputError, one_line

from .address import BrokerAddress

if TYPE_CHECKING:
    from collections.abc import Mapping

TOKEN_VARIABLE = "SUPERVISOR_TOKEN"  # noqa: S105 - the name of it
ADDRESS = "http://supervisor"
ASK_TIMEOUT_S = 10.0
TRIES = 6
BETWEEN_TRIES_S = 5.0
"""After a start of the whole system the broker tells the supervisor of itself when it is up."""
ANSWER_BYTES_MAX = 65_536
_ADVICE = 'install and start the Mosquitto app, or write url = "off" under [mqtt]'


def ask_supervisor(
    environ: Mapping[str, str], address: str = ADDRESS, between_tries_s: float = BETWEEN_TRIES_S
) -> BrokerAddress:
    """Return the broker that the supervisor knows; this takes a while where none is up yet.

    Args:
        environ: Its `SUPERVISOR_TOKEN` says who asks.
        address: Of the supervisor.
        between_tries_s: How long to wait for a broker that is not up.

    Raises:
        InputError: There is no supervisor, or it knows no broker.
    """
    token = environ.get(TOKEN_VARIABLE)
    if not token:
        raise InputError(
            '[mqtt] url = "supervisor" is for an app of Home Assistant, and this is none: '
            "write the address of your broker"
        )
    request = urllib.request.Request(  # noqa: S310 - http, always
        f"{address}/services/mqtt", headers={"Authorization": f"Bearer {token}"}
    )
    # By no proxy: it is a name inside of the machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for left in reversed(range(TRIES)):
        try:
            with opener.open(request, timeout=ASK_TIMEOUT_S) as answer:
                told = json.loads(answer.read(ANSWER_BYTES_MAX))
            return _broker(told["data"])
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                raise InputError(
                    "the supervisor does not let this app ask for the broker: its config.yaml "
                    "needs `services: [mqtt:want]`"
                ) from None
            if not left:
                raise InputError(f"Home Assistant knows no broker: {_ADVICE}") from None
        except OSError as error:
            if not left:
                raise InputError(f"the supervisor does not answer: {one_line(error)}") from None
        except (ValueError, KeyError, TypeError):
            raise InputError("the supervisor's answer about the broker is not known here") from None
        time.sleep(between_tries_s)
    raise AssertionError


def _broker(told: Mapping[str, Any]) -> BrokerAddress:
    """Return what the supervisor tells; ValueError, KeyError or TypeError where it is no broker."""
    host, port, tls = str(told["host"]), int(told["port"]), told.get("ssl") is True
    if not host or not 0 < port < 65_536:
        raise ValueError
    user, password = (str(told.get(name) or "") or None for name in ("username", "password"))
    return BrokerAddress(host, port, tls=tls, user=user, password=password)
