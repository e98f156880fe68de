# SPDX-License-Identifier: MIT
"""Which cues a person can tell apart: what the patterns promise, and what people show.  Pure."""
