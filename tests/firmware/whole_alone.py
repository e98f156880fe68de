# SPDX-License-Identifier: MIT
# mypy: ignore-errors
# ruff: noqa: ANN001, ANN002, ANN003, ANN201, ANN204, ANN205, ARG001, ARG002, ARG004, ARG005
# ruff: noqa: I002, PLC0206, PLR0917, PLW0108, PTH123, RUF012, T201
"""A whole drive on a real interpreter: `code.py` begins, takes a plan by cable, and plays it.

Usage: whole_alone.py FRAMES, in a folder with what `tenuto firmware install` writes.  FRAMES: what
a host says, each piece with its length in two bytes before it.  Built-in modules of CircuitPython
are stand-ins that only answer; time is virtual, and the radio is silent.  Prints how much memory
was taken before, after the start, and at most; and how the session went.
"""

import _asyncio
import gc
import sys

frames = sys.argv[1]
now = [0]
TOO_LONG_MS = 3_600_000


class Module:
    """Stands for a built-in module."""

    def __init__(self, **contents):
        for name in contents:
            setattr(self, name, contents[name])


def built_in(name, **contents):
    sys.modules[name] = Module(**contents)


class Pins:
    board_id = "feather_bluefruit_sense"

    def __getattr__(self, name):
        return name


class Pin:
    value = True

    def __init__(self, *arguments, **options):
        self.reference_voltage = 3.3

    def __enter__(self):
        return self

    def __exit__(self, *arguments):
        pass

    def deinit(self):
        pass

    def switch_to_output(self, value=False):
        pass

    def switch_to_input(self, pull=None):
        pass


class Adc(Pin):
    value = 40_000


class Bus(Pin):
    """One DRV2605L and one MAX30102, which sees nothing."""

    IDS = {(0x5A, 0x00): 0xE0, (0x57, 0xFF): 0x15}

    def __init__(self, *arguments, **options):
        self.register = 0

    def try_lock(self):
        return True

    def unlock(self):
        pass

    def writeto(self, address, buffer, start=0, end=None):
        self.register = buffer[start] if len(buffer) else 0

    def readfrom_into(self, address, buffer, start=0, end=None):
        for at in range(start, len(buffer) if end is None else end):
            buffer[at] = 0
        buffer[start] = self.IDS.get((address, self.register), 0)


class Device:
    def __init__(self, bus, address):
        self._bus, self._address = bus, address

    def __enter__(self):
        return self

    def __exit__(self, *arguments):
        return False

    def write(self, buffer, start=0, end=None):
        self._bus.writeto(self._address, buffer, start, end)

    def write_then_readinto(self, out, into, out_start=0, out_end=None, in_start=0, in_end=None):
        self._bus.writeto(self._address, out, out_start, out_end)
        self._bus.readfrom_into(self._address, into, in_start, in_end)


class Keys(Pin):
    overflowed = False

    def __init__(self, *arguments, **options):
        self.events = self

    def __len__(self):
        return 0


class Serial:
    """The host's end of the cable: one piece of what it says every 100 ms."""

    connected = True

    def __init__(self, path):
        with open(path, "rb") as file:
            self._pieces = []
            while True:
                head = file.read(2)
                if not head:
                    break
                self._pieces.append(file.read(head[0] | head[1] << 8))
        self._next_ms = 0
        self.said = 0

    @property
    def in_waiting(self):
        return len(self._pieces[0]) if self._pieces and now[0] >= self._next_ms else 0

    def read(self, count):
        piece = self._pieces[0][:count]
        self._pieces[0] = self._pieces[0][count:]
        if not self._pieces[0]:
            self._pieces.pop(0)
            self._next_ms = now[0] + 100
        return piece

    def write(self, data):
        self.said += len(data)
        return len(data)


class Uuid:
    def __init__(self, value):
        self.size = 16 if isinstance(value, int) else 128
        self.uuid16 = 0x180D
        self.uuid128 = bytes(16)

    def pack_into(self, buffer, offset=0):
        pass


class Characteristic:
    BROADCAST, INDICATE, NOTIFY, READ, WRITE, WRITE_NO_RESPONSE = 1, 2, 4, 8, 16, 32

    def __init__(self):
        self.value = b"\x00"

    @staticmethod
    def add_to_service(*arguments, **options):
        return Characteristic()


class Service:
    remote = False

    def __init__(self, uuid, secondary=False):
        pass


class PacketBuffer:
    outgoing_packet_length = 0

    def __init__(self, characteristic, buffer_size):
        # As nordic's: for each packet its length and as much as the characteristic takes.
        self._room = bytearray(buffer_size * 246)

    def readinto(self, buffer):
        return 0


class Attribute:
    NO_ACCESS, OPEN, ENCRYPT_NO_MITM, ENCRYPT_WITH_MITM = 0x00, 0x11, 0x21, 0x31
    LESC_ENCRYPT_WITH_MITM, SIGNED_NO_MITM, SIGNED_WITH_MITM = 0x41, 0x12, 0x22


class Address:
    address_bytes = bytes(6)


class Adapter:
    name, advertising, connections, tx_power, address = "", False, (), 0, Address

    def start_advertising(self, *arguments, **options):
        self.advertising = True

    def stop_advertising(self):
        self.advertising = False


class Poll:
    """Waits in virtual time, and looks at the memory in passing."""

    def __init__(self):
        self.most = self.looked_ms = 0

    def register(self, *arguments):
        pass

    def ipoll(self, ms):
        now[0] += max(1, ms)
        if now[0] > TOO_LONG_MS:
            raise SystemExit("the session did not come to its end")
        if now[0] - self.looked_ms >= 500:
            self.looked_ms = now[0]
            gc.collect()
            self.most = max(self.most, gc.mem_alloc())
            look(self)
        return ()


class TaskQueue(_asyncio.TaskQueue):
    """What is due at once is due now, and not when the computer's clock says so."""

    def push(self, task, at_ms=None):
        super().push(task, now[0] if at_ms is None else at_ms)


def never(*arguments, **options):
    raise SystemExit("not to be called")


def sleep(seconds):
    now[0] += int(seconds * 1000)


looks = [0, 0]


def ticks_ms():
    """A clock that stands still while the program works, but not while it waits for it."""
    looks[1] = looks[1] + 1 if looks[0] == now[0] else 0
    if looks[1] > 50:
        now[0] += 1
    looks[0] = now[0]
    return now[0]


nvm = bytearray(b"\xff" * 8192)
dog = Module(mode=None, timeout=0, feed=lambda: None)
cpu = Module(uid=b"12345678", reset_reason="microcontroller.ResetReason.POWER_ON")
poll = Poll()
built_in("_asyncio", Task=_asyncio.Task, TaskQueue=TaskQueue)
built_in("__future__", annotations=None)
sys.modules["board"] = Pins()
built_in("supervisor", ticks_ms=ticks_ms, runtime=Module(usb_connected=False))
built_in("microcontroller", nvm=nvm, cpu=cpu, watchdog=dog, reset=never)
built_in("watchdog", WatchDogMode=Module(RESET="reset"))
built_in(
    "alarm", sleep_memory=bytearray(256), wake_alarm=None, exit_and_deep_sleep_until_alarms=never
)
built_in("usb_cdc", console=None, data=Serial(frames))
built_in("digitalio", DigitalInOut=Pin, Pull=Module(UP=1, DOWN=2))
built_in("analogio", AnalogIn=Adc)
built_in("busio", I2C=Bus)
built_in("keypad", Keys=Keys, Event=Pin)
built_in("adafruit_bus_device")
built_in("adafruit_bus_device.i2c_device", I2CDevice=Device)
sys.modules["adafruit_bus_device"].i2c_device = sys.modules["adafruit_bus_device.i2c_device"]
built_in("select", poll=lambda: poll)
built_in("time", sleep=sleep, monotonic_ns=lambda: now[0] * 1_000_000)
built_in("traceback", print_exception=lambda *arguments: print(arguments))
built_in(
    "os",
    getenv=lambda key, default=None: default,
    urandom=lambda count: bytes(count),
    uname=lambda: Module(sysname="nrf52840", version="10"),
)
built_in(
    "_bleio",
    UUID=Uuid,
    Address=Address,
    Attribute=Attribute,
    Characteristic=Characteristic,
    Service=Service,
    PacketBuffer=PacketBuffer,
    Connection=Module(),
    adapter=Adapter(),
)


def as_bytes(value=b"", *more):
    """CircuitPython's `bytes` asks a value for `__bytes__`, MicroPython's does not."""
    return value.__bytes__() if hasattr(value, "__bytes__") else bytes(value, *more)


built_in("as_bytes", bytes=as_bytes)
sys.path[:0] = ["", "lib"]
gc.collect()
gc.collect()
before = gc.mem_alloc()
started = [0, False]


def look(it):
    """See how far the program is, and end it after a session."""
    program = sys.modules.get("code")
    app = getattr(program, "app", None)
    if app is None:
        return
    band = app.band
    if not started[0]:
        started[0] = it.most
        print("started", it.most - before)
    if band.is_playing:
        started[1] = True
    elif started[1]:
        late = band.player.lateness
        print("cues", late.count, "worst", late.worst_ms)
        print("said", sys.modules["usb_cdc"].data.said > 1000)
        print("most", it.most - before)
        raise SystemExit


print("before", before)
import code  # noqa: E402, F401
