# SPDX-License-Identifier: MIT
"""The UUIDs of the services and characteristics that Tenuto uses over Bluetooth."""

from __future__ import annotations

from bleak.uuids import normalize_uuid_str

from .scan import TENUTO

_UUID = "c6a1{:04x}-7f2d-4f0e-9d5b-2a4e7e6b1f10"
SERVICE_UUID = TENUTO
INFO_UUID = _UUID.format(1)
INBOX_UUID = _UUID.format(2)
OUTBOX_UUID = _UUID.format(3)
FIRMWARE_UUID = normalize_uuid_str("2a26")
ALERT_UUID = normalize_uuid_str("2a06")
