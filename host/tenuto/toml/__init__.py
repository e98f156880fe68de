# SPDX-License-Identifier: MIT
"""TOML files as checked dataclasses, with every mistake and its line."""
