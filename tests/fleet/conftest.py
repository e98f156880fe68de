# SPDX-License-Identifier: MIT
"""A central history for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.fleet.server import PostgresServer


@pytest.fixture
def central(postgres: PostgresServer) -> str:
    """The address of an empty central history, for its owner."""
    return postgres.database()
