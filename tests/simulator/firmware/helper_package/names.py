# SPDX-License-Identifier: MIT
# ruff: noqa: I002 - code for a board
UUID = "7e5a{:04x}-1c3f-4b8e-9a52-0d6c5b1f2e3a"
