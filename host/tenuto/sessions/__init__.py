# SPDX-License-Identifier: MIT
"""Sessions: records of a wearable become events, events become what people see.  Pure."""
