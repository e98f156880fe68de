# SPDX-License-Identifier: MIT
"""The watch's JavaScript runs in QuickJS, on a virtual clock."""

from __future__ import annotations

import pytest

from tests.conftest import needs_module


@pytest.fixture(autouse=True)
def _engine() -> None:
    needs_module("quickjs")
