# SPDX-License-Identifier: MIT
"""Drivers: one file for each kind of wearable, all behind the interface in `base`."""
