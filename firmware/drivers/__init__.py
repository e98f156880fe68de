# SPDX-License-Identifier: MIT
"""One small module for each part; each class is given its bus and pins and knows no board."""
