# SPDX-License-Identifier: MIT
"""Radios that a Bluetooth link stands on: the platform's own, or a bumble device."""
