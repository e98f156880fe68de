# SPDX-License-Identifier: MIT
"""What Tenuto remembers between its runs, in small files: keys, clocks, settings."""
