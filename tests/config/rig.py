# SPDX-License-Identifier: MIT
"""Configurations as texts, and what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenuto import config
from tenuto.errors import InputError

if TYPE_CHECKING:
    from tenuto.config import Config


def parse(text: str) -> Config:
    return config.parse(text, "t.toml")


def mistakes(text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        parse(text)
    return [str(mistake) for mistake in caught.value.mistakes]
