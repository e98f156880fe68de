# SPDX-License-Identifier: MIT
"""What the program needs of the radio, without the library that made it."""

import _bleio

from heap import forget

FIRMWARE = "0.1.0"
PACKET_BYTES = 244


class Radio:
    """The wearable's services, as `gatt.make` has made them, and its advertising.

    name, location: see `gatt.make`.
    inbox, outbox, alert: packet buffers.  info, measurement, battery: characteristics.
    """

    def __init__(self, name, location):
        self.advertisement = self.scan_response = b""
        import gatt  # noqa: PLC0415 - only for as long as it is needed

        gatt.make(self, name, location)
        del gatt
        forget("gatt", "adafruit_ble")

    @property
    def address(self):
        """Its Bluetooth address: 6 bytes, the least significant first, as the radio sends them."""
        return _bleio.adapter.address.address_bytes

    @property
    def connections(self):
        """Who is connected, oldest first."""
        return _bleio.adapter.connections

    @property
    def is_advertising(self):
        """Whether it can be heard."""
        return _bleio.adapter.advertising

    def stop_advertising(self):
        """Be silent."""
        _bleio.adapter.stop_advertising()

    def start_advertising(self, interval_ms):
        """Be heard, until somebody connects; at most every 20 ms."""
        _bleio.adapter.start_advertising(
            self.advertisement, scan_response=self.scan_response, interval=interval_ms / 1000
        )
