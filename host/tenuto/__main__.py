# SPDX-License-Identifier: MIT
"""`python -m tenuto` is `tenuto`."""

from __future__ import annotations

from tenuto.cli import main

main()
