# SPDX-License-Identifier: MIT
"""The rows of the models that come with Tenuto, one file for each."""

from __future__ import annotations

from . import alert, band, bangle, heart, infinitime, intiface

BUILT_IN = (
    band.MODEL,
    bangle.MODEL,
    infinitime.MODEL,
    alert.MODEL,
    intiface.MODEL,
    heart.MODEL,
)
"""All of them; the first is meant where a [[wearable]] does not say its model."""
