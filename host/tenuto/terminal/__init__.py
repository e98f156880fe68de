# SPDX-License-Identifier: MIT
"""What people see of a session, and what programs read: three sinks.

Each is imported by its own name, since `words` alone costs nothing.
"""
