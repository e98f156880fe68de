# SPDX-License-Identifier: MIT
"""What the program uses of the radio once `adafruit_ble` has made the services."""

import _bleio

from heap import forget

FIRMWARE = "0.1.0"
PACKET_BYTES = 244


class Radio:
    """The wearable's services, as `gatt.make` has made them, and its advertising.

    Args:
        name, location: See `gatt.make`.

    Attributes:
        inbox, outbox, alert: Packet buffers.
        info, measurement, battery: Characteristics.
    """

    def __init__(self, name, location):
        self.advertisement = self.scan_response = b""
        import gatt  # noqa: PLC0415 - only for as long as it is needed

        gatt.make(self, name, location)
        del gatt
        forget("gatt", "adafruit_ble")

    @property
    def address(self):
        """The Bluetooth address: 6 bytes, the least significant first, as the radio sends them."""
        return _bleio.adapter.address.address_bytes

    @property
    def connections(self):
        """The open connections, oldest first."""
        return _bleio.adapter.connections

    @property
    def is_advertising(self):
        """Whether the band advertises now."""
        return _bleio.adapter.advertising

    def stop_advertising(self):
        """Stop advertising."""
        _bleio.adapter.stop_advertising()

    def start_advertising(self, interval_ms):
        """Advertise until a host connects; the interval is at least 20 ms."""
        _bleio.adapter.start_advertising(
            self.advertisement, scan_response=self.scan_response, interval=interval_ms / 1000
        )
