# SPDX-License-Identifier: MIT
"""A real PostgreSQL, one for a run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import needs_module

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fleet.server import PostgresServer

PLACES = "/usr/lib/postgresql/*/bin"
"""Where Debian has the programs of each version, out of PATH."""


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The server."""
    needs_module("psycopg")
    from tests.fleet.server import PostgresServer

    folders = [path.as_posix() for path in sorted(Path("/").glob(PLACES[1:]), reverse=True)]
    path = os.pathsep.join([*folders, os.environ.get("PATH", os.defpath)])
    found = shutil.which("initdb", path=path)
    if found is None:
        message = "no PostgreSQL: install the package postgresql"
        if os.environ.get("CI") == "true":
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    server = PostgresServer(Path(found).resolve().parent)
    server.start()
    yield server
    server.remove()


@pytest.fixture
def central(postgres: PostgresServer) -> str:
    """The address of an empty central history, for its owner."""
    return postgres.database()
