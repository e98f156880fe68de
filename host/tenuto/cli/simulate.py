# SPDX-License-Identifier: MIT
"""`tenuto simulate`: simulated wearables in a process of their own."""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import Annotated

from cyclopts import App, Parameter, validators

from tenuto.cli.common import log_to_stderr

app = App(name="simulate", help="Be a simulated wearable, in a process of its own.")


class Person(StrEnum):
    """Who wears the wearables."""

    CALM = "calm"
    AFTER_RUN = "after-run"
    NOBODY = "nobody"


@app.default
def simulate(
    *,
    listen: str = "127.0.0.1:9000",
    wearables: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=100))] = 1,
    person: Person = Person.AFTER_RUN,
    seed: int = 0,
    loss: Annotated[float, Parameter(validator=validators.Number(gte=0, lt=1))] = 0.0,
    verbose: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Run simulated wearables until Ctrl-C, and let other programs meet them over TCP.

    In the configuration of the other Tenuto: `[bluetooth] adapter =
    "bumble:tcp-client:127.0.0.1:9000"` and a wearable with the address that is printed here.

    Args:
        listen: where to offer a virtual Bluetooth controller: host:port
        wearables: how many
        person: who wears them
        seed: make chance repeatable
        loss: share of the packets that the air swallows, from 0 to below 1
        verbose: log who comes and goes
    """
    from tenuto import timebase
    from tenuto.app import simulate as run_simulation
    from tenuto.simulator.listen import parse_endpoint

    log_to_stderr(logging.INFO if verbose else logging.WARNING)
    host, port = parse_endpoint(listen)
    return timebase.run(
        run_simulation(
            host, port, count=wearables, person=person.value, seed=seed, loss=loss, say=print
        )
    )
