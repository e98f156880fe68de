# SPDX-License-Identifier: MIT
"""`tenuto pair`: have a wearable trust this computer, over the air or by cable."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from tenuto.config import find_config
from tenuto.errors import InputError
from tenuto.terminal import words
from tenuto.wearables import registry

from .choose import choose
from .common import ConfigFile, make_setting
from .prompt import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenuto.config import Wearable
    from tenuto.daemon.build import Setting
    from tenuto.wearables.model import Model
    from tenuto.wearables.pairing import Paired

app = App(name="pair")


@app.default
def pair(
    wearable: str | None = None,
    /,
    *,
    cable: Annotated[bool, Parameter(name="--cable")] = False,
    only: Annotated[bool, Parameter(name="--only")] = False,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
    config: ConfigFile = None,
) -> int:
    """Pair with a wearable, so that it trusts this computer.

    A Tenuto band lets a computer in over the air when its wearer presses its button twice and once
    more for a second, until it buzzes long, short, long. Do it before this command, or when it asks
    for it.

    By cable it needs no gesture, and nobody can listen: with --cable the band gets a key of its
    own, which it asks for from then on over Bluetooth too. Keys that were made over the air, that
    of this computer included, are not valid any more. If another computer with such a key is lost,
    --cable --only has the band forget all keys but that of this one.

    Other devices are made ready for pairing as their description says.

    Args:
        wearable: its Bluetooth address, or its id in the configuration; without it a Tenuto band
            that is in reach. With --cable its serial port, or its id; without it the band on the
            cable
        cable: by USB cable, instead of over the air
        only: have the band forget the keys of all other computers; with --cable
        as_json: print one JSON object, and nothing else
        config: as in all commands
    """
    from tenuto import event_loops

    if only and not cable:
        raise InputError("--only goes with --cable: keys are taken away by cable alone")
    setting = make_setting(find_config(config), 1.0)
    return event_loops.run(_pair(setting, wearable, cable=cable, only=only, as_json=as_json))


async def _pair(
    setting: Setting, wanted: str | None, *, cable: bool, only: bool, as_json: bool
) -> int:
    from tenuto.daemon.dispatch import open_dispatcher
    from tenuto.daemon.operations import PAIR, PAIR_BY_CABLE, Address, Cable

    terminal = Terminal()
    async with open_dispatcher(setting) as dispatch:
        if cable:
            paired = await dispatch.call(PAIR_BY_CABLE, Cable(port=wanted, only=only), terminal)
        else:
            if wanted is None:
                wanted = await choose(dispatch, terminal, lambda model: model.pair is not None)
            terminal.show(f"pairing with {wanted}")
            paired = await dispatch.call(PAIR, Address(address=wanted), terminal)
    known = _configured(setting, paired)
    if as_json:
        told = asdict(paired) | {"wearable": known.id if known else None}
        sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
        return 0
    for line in _report(paired, known):
        print(line)
    return 0


def _configured(setting: Setting, paired: Paired) -> Wearable | None:
    """Find it in the configuration, by how it is reached from now on."""
    address = (paired.address or "").upper()
    for wearable in setting.config.wearables:
        if address and (wearable.address or "").upper() == address:
            return wearable
    for wearable in setting.config.wearables:
        if wearable.port is not None and wearable.port in (paired.port, "auto"):
            return wearable
    return None


def _report(paired: Paired, known: Wearable | None) -> Iterator[str]:
    """Say what has happened, and what to do next."""
    name = words.printable(paired.name or paired.address or "the band")
    where = f" at {paired.address}" if paired.address else ""
    firmware = f", firmware {words.printable(paired.firmware)}" if paired.firmware else ""
    yield f"Paired with {name}{where}{firmware}{' by cable' if paired.port else ''}."
    if paired.port is not None:
        yield "It has a key from this computer now, which was tried and is good: over Bluetooth it"
        yield "obeys only who has such a key, and you need no gesture."
        gone = "All other keys are" if paired.is_only else "All keys that came over the air are"
        yield f"{gone} gone: pair other computers by cable too."
    elif paired.is_tenuto and not paired.is_new:
        yield "It knew this computer already."
    if known is not None:
        yield f"It is {known.id!r} in the configuration, and there is nothing more to do."
    elif paired.model is not None:
        yield from _lines(paired)
    if paired.model is not None:
        yield from _cautions(registry.find(paired.model), is_trusted=paired.is_trusted)


def _cautions(model: Model, *, is_trusted: bool | None) -> Iterator[str]:
    """Say what its user has to know of a model."""
    if model.distrust is not None and not is_trusted:
        yield model.distrust[0].upper() + model.distrust[1:] + "."
    yield from model.notes


def _lines(paired: Paired) -> Iterator[str]:
    """Say what to write into the configuration."""
    model = registry.find(paired.model or registry.DEFAULT)
    yield "To use it, put this into your tenuto.toml:"
    if paired.address is not None:
        hidden = paired.port is not None and sys.platform == "darwin"
        remark = "  # on macOS: the address that `tenuto scan` shows" if hidden else ""
        yield f"\n{model.configuration(paired.address)}{remark}"
    if paired.port is not None:
        if paired.address is not None:
            yield "\nOr this, to use it by cable alone:"
        yield f'\n[[wearable]]\nid = "{model.id}"\nlink = "serial"\nport = "auto"'
