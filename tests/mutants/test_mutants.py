# SPDX-License-Identifier: MIT
"""The table of faults fits the code of today; whether tests notice them, run.py tells."""

from __future__ import annotations

import ast

import pytest

from tests.mutants.run import ROOT, Mutant, mutants


@pytest.mark.parametrize("mutant", mutants(), ids=lambda mutant: mutant.what)
def test_a_fault_can_be_put_in(mutant: Mutant) -> None:
    assert mutant.old != mutant.new
    source = mutant.source(ROOT)
    if mutant.file.endswith(".py"):
        ast.parse(source)
    for place in mutant.tests:
        assert (ROOT / place.partition("::")[0]).exists(), place
