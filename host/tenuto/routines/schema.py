# SPDX-License-Identifier: MIT
"""The JSON Schema of routine files, for editors; made of the rules that the parser uses."""

from __future__ import annotations

from typing import Any

from tenuto.toml.tables import table_schema

from .routine import Routine

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def routine_schema() -> dict[str, Any]:
    """Return the schema of a routine file.

    It holds for each value by itself; what only shows between values, such as a change that is too
    short for its cues, `tenuto routines check` finds.
    """
    return {
        "$schema": DIALECT,
        "title": "A Tenuto routine",
        "description": "An ordered list of exercises.",
    } | table_schema(Routine)
