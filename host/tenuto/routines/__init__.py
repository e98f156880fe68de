# SPDX-License-Identifier: MIT
"""Routines: TOML files that people edit become plans that a wearable plays."""
