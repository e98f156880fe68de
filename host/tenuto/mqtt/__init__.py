# SPDX-License-Identifier: MIT
"""MQTT: what happens goes out, commands come in; README.md in this folder has the topics.

`bridge` and `broker` are imported by their own names, since `address` alone costs nothing.
"""
