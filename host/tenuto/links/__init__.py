# SPDX-License-Identifier: MIT
"""Links: bytes to and from one wearable, one file for each kind."""
