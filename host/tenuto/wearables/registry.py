# SPDX-License-Identifier: MIT
"""The registry of models: what kinds of wearables there are.

A new model is one file and one row: `models` has the rows of this package, and any other package
adds its own by an entry point of the group `tenuto.wearables` that leads to a `Model`. Everything
that differs from model to model is in its row; nothing else compares a model's id.
"""

from __future__ import annotations

import logging
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from tenuto.errors import InputError, TenutoError, one_line
from tenuto.toml.rules import hint, quoted

from .model import Capability, Model
from .models import BUILT_IN

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from importlib.metadata import EntryPoint

    from tenuto.config import Wearable
    from tenuto.links.scan import Found
    from tenuto.routines.feel import Feel
    from tenuto.sessions.heart import Measurement
    from tenuto.simulator.person import VirtualPerson
    from tenuto.simulator.world import World

    from .base import Driver, Sensor
    from .model import BuildContext, SimulatedDevice

_log = logging.getLogger(__name__)

ENTRY_POINTS = "tenuto.wearables"
DEFAULT = BUILT_IN[0].id
"""The model of a [[wearable]] that does not say one."""
_BUILT_IN = {model.id: model for model in BUILT_IN}
_ID = re.compile(r"[a-z0-9_-]{1,32}")


@cache
def plug_ins() -> tuple[dict[str, Model], tuple[str, ...]]:
    """Load the rows of other packages, once.

    Returns:
        The models by their ids, and what is wrong with the others, for people.
    """
    # Here and not at the top: seldom needed, and it takes as long as all of the configuration.
    from importlib.metadata import entry_points  # noqa: PLC0415

    found: dict[str, Model] = {}
    problems: list[str] = []
    for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: entry.name):
        try:
            model = _load(entry, found)
        except TenutoError as error:
            package = "an unknown package" if entry.dist is None else entry.dist.name
            text = f"the plug-in {entry.name!r} of {package} is left out: {error}"
            _log.warning("%s", text)
            problems.append(text)
        else:
            found[model.id] = model
    return found, tuple(problems)


def _load(entry: EntryPoint, others: Mapping[str, Model]) -> Model:
    """Load one row; raise TenutoError if it cannot be used."""
    try:
        model = entry.load()
    except (Exception, SystemExit) as error:
        # Whatever somebody else's module does, the other models stay.
        raise TenutoError(
            f"it cannot be loaded: {type(error).__name__}: {one_line(error)}"
        ) from error
    if not isinstance(model, Model):
        raise TenutoError(f"{entry.value} is not a Model")
    if not _ID.fullmatch(model.id):
        raise TenutoError(f"the id {quoted(model.id)} is not 1 to 32 of a-z, 0-9, _ and -")
    if model.id in _BUILT_IN or model.id in others:
        raise TenutoError(f"there is a model {model.id!r} already")
    return model


def models() -> dict[str, Model]:
    """Return all models by their ids: what buzzes first, then sensors."""
    everything = {**_BUILT_IN, **plug_ins()[0]}
    return dict(sorted(everything.items(), key=lambda item: not item[1].buzzes))


def problems() -> tuple[str, ...]:
    """Return what is wrong with rows that other packages wanted to add, for people."""
    return plug_ins()[1]


def find(model_id: str) -> Model:
    """Return a model by its id.

    Raises:
        InputError: There is none.
    """
    model = _BUILT_IN.get(model_id) or plug_ins()[0].get(model_id)
    if model is None:
        known = list(models())
        raise InputError(f"there is no model {quoted(model_id)}{hint(model_id, known, quote='')}")
    return model


def of(wearable: Wearable) -> Model:
    """Return the model of a configured wearable."""
    return find(wearable.model)


def simulator_of(
    model: Model,
) -> Callable[[World, str, VirtualPerson | None], Awaitable[SimulatedDevice]]:
    """Return what puts a device of a model into a simulated room.

    Raises:
        InputError: It cannot be simulated.
    """
    if model.simulate is None:
        able = ", ".join(one.id for one in models().values() if one.simulate is not None)
        raise InputError(f"no {model.title} can be simulated, only: {able}")
    return model.simulate


def feel(wearable: Wearable) -> Feel | None:
    """Return what its motor can do, None where it plays every pattern as it is written."""
    model = of(wearable)
    return None if model.feel is None else model.feel(wearable)


def recognize(found: Found) -> Model | None:
    """Return the model of a device that was heard, None for what Tenuto has no use for."""
    for model in models().values():
        try:
            if model.is_one(found):
                return model
        except Exception:  # noqa: BLE001 - whatever a plug-in does, the others stay
            _log.exception("model=%s cannot look at what a scan has heard", model.id)
    return None


def ordered(found: Iterable[Found], *, everything: bool) -> list[tuple[Found, Model | None]]:
    """Sort what was heard for people: what Tenuto can use first, then the loudest.

    Args:
        found: What was heard.
        everything: Whether to return also what Tenuto has no use for.
    """
    ranks = {model_id: rank for rank, model_id in enumerate(models())}

    def rank(row: tuple[Found, Model | None]) -> tuple[int, int, str]:
        one, model = row
        place = len(ranks) if model is None else ranks[model.id]
        return place, -(one.rssi_dbm or -127), one.address

    rows = [(one, recognize(one)) for one in found]
    return sorted((row for row in rows if everything or row[1] is not None), key=rank)


def to_json(found: Found, model: Model | None) -> dict[str, Any]:
    """Return the JSON object, for programs, of a device that was heard."""
    return found.to_json() | {
        "kind": None if model is None else model.id,
        "can": [] if model is None else list(model.can),
        "capabilities": [] if model is None else list(model.capabilities.words),
        "use": None if model is None else model.use,
        "configuration": None if model is None else model.configuration(found.address),
    }


async def build_driver(wearable: Wearable, context: BuildContext) -> Driver:
    """Return the driver of a configured wearable.

    Raises:
        TenutoError: It cannot be built.
    """
    model = of(wearable)
    if model.build is None:
        raise InputError(f"wearable {wearable.id!r}: a {model.title} plays nothing")
    try:
        return await model.build(wearable, context)
    except TenutoError:
        raise
    except Exception as error:
        _log.exception("wearable=%s model=%s", wearable.id, model.id)
        text = f"wearable {wearable.id!r}: its model {model.id!r} fails: {type(error).__name__}"
        raise TenutoError(f"{text}: {one_line(error)}") from error


def build_sensors(
    wearable: Wearable,
    context: BuildContext,
    hear: Callable[[Measurement, str, str | None], None],
) -> dict[str, Sensor]:
    """Return the sensors that are worn with a wearable, by the ids of their models.

    Args:
        wearable: As it is configured.
        context: What they are made of.
        hear: Called with each measurement, the sensor's name and its kind.
    """
    found = {}
    for model in _BUILT_IN.values():
        build = model.build_sensor
        sensor = None if build is None else build(wearable, context, hear)
        if sensor is not None:
            found[model.id] = sensor
    return found


def shares_link(wearable: Wearable) -> bool:
    """Return whether a wearable can do without its link for a while, so that others get it."""
    return Capability.PLAYS_ALONE in of(wearable).capabilities
