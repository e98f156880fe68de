# SPDX-License-Identifier: MIT
"""The daemon: joins wearables, sinks and the operations that people ask for."""
