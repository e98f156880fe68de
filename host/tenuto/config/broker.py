# SPDX-License-Identifier: MIT
"""Which broker to connect to, and with which password."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tenuto.config.secret_files import read_secret
from tenuto.errors import InputError, Mistake
from tenuto.files import open_regular

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenuto.config.configuration import Config
    from tenuto.mqtt.address import BrokerAddress

PASSWORD_VARIABLE = "TENUTO_MQTT_PASSWORD"  # noqa: S105 - the name of it


def broker_addresses(config: Config, environ: Mapping[str, str]) -> tuple[BrokerAddress, ...]:
    """Return the addresses of the broker to connect to, none for the embedded one or for none.

    It reads files, and may ask Home Assistant's supervisor, so that it takes a while.

    Args:
        config: The configuration.
        environ: Its `TENUTO_MQTT_PASSWORD` comes before any other password, and its
            `SUPERVISOR_TOKEN` is shown to the supervisor.

    Raises:
        InputError: With all that is wrong with the files it takes, or the supervisor knows no
            broker.
    """
    addresses = config.mqtt.addresses
    if config.mqtt.is_supervised:
        # Here and not at the top: few need it, and it needs what is slow to load.
        from tenuto.mqtt.supervisor import ask_supervisor  # noqa: PLC0415

        addresses = (ask_supervisor(environ),)
    if not addresses:
        return ()
    files, mistakes = _certificates(config)
    password = environ.get(PASSWORD_VARIABLE)
    if password is not None and all(one.user is None for one in addresses):
        text = f"{PASSWORD_VARIABLE} needs a user: write [mqtt] url as mqtt://user@host"
        mistakes.append(Mistake("environment", 0, text))
    from_file = None
    secret = config.path_of(config.mqtt.password_file)
    if password is None and secret is not None:
        try:
            from_file = read_secret(secret, "mqtt")
        except InputError as error:
            mistakes += error.mistakes
    if mistakes:
        raise InputError(mistakes)
    return tuple(
        replace(
            one,
            password=_password(one, environ, from_file),
            client_id=config.mqtt.client_id,
            keepalive_s=config.mqtt.keep_alive_s,
            **files,
        )
        for one in addresses
    )


def _certificates(config: Config) -> tuple[dict[str, Any], list[Mistake]]:
    """Return the paths of the files for TLS by their keys, and what is wrong with the files."""
    names = ("ca_file", "certificate", "certificate_key")
    files = {name: config.path_of(getattr(config.mqtt, name)) for name in names}
    mistakes = []
    for name, path in files.items():
        try:
            if path is not None:
                open_regular(path).close()
        except OSError as error:
            text = f"`{name}` of [mqtt] cannot be read: {error.strerror}"
            mistakes.append(Mistake(str(path), 0, text))
    return files, mistakes


def _password(
    address: BrokerAddress, environ: Mapping[str, str], from_file: str | None
) -> str | None:
    """Return the password to use: of the environment, of the address, or of the file."""
    if address.user is None:
        return None
    given = address.password if address.password is not None else from_file
    return environ.get(PASSWORD_VARIABLE, given)
