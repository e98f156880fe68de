# SPDX-License-Identifier: MIT
"""The pure heart of Tenuto: plan, player, log and wire format.

It knows no clock, no radio and no pin, imports `struct` and `binascii` only, and runs unmodified
on CPython, MicroPython and CircuitPython.  Time is an argument everywhere: an integer count of
milliseconds on one monotonic clock that the caller owns.
"""
