# SPDX-License-Identifier: MIT
"""What all tests of proxies need."""

from __future__ import annotations

import pytest

from tests.conftest import needs_module


@pytest.fixture(autouse=True)
def esphome() -> None:
    """Skip, or fail in CI, where the packages of the extra `esphome` are missing."""
    needs_module("bleak_esphome")
    needs_module("aioesphomeapi")
