# SPDX-License-Identifier: MIT
# mypy: disable-error-code="no-untyped-def, no-untyped-call, attr-defined, import-not-found"
# ruff: noqa: ARG001, ARG002, ANN001, ANN201, ANN202, I002, PTH123, T201
"""The drivers' pure parts on a real interpreter: run by MicroPython and by CPython alike.

Usage: drivers_alone.py WHAT FILE.  Prints what happened, so that two interpreters can be compared.
"""

import asyncio
import gc
import sys


def pulse(path):
    """Beats out of samples, three bytes each."""
    from drivers.ppg import BeatDetector

    detector = BeatDetector()
    with open(path, "rb") as file:
        data = file.read()
    for at in range(0, len(data), 3):
        sample = data[at] << 16 | data[at + 1] << 8 | data[at + 2]
        if detector.add(sample):
            print(at // 3, detector.bpm, detector.quality)


def memory(path):
    """The memory that survives: written, torn, read again."""
    import nvm_slots

    nvm = bytearray(b"\xff" * 64)
    print(nvm_slots.write(nvm, nvm_slots.CALIBRATION, b"abc"), bytes(nvm[:10]))
    print(nvm_slots.read(nvm, nvm_slots.CALIBRATION))
    nvm[3] ^= 1
    print(nvm_slots.read(nvm, nvm_slots.CALIBRATION))


def boards(path):
    """The board's file is found by name."""
    import boards

    sys.modules["board"] = __import__("supervisor")
    for name in sorted(boards.FILES.values()):
        print(name, __import__("boards." + name, None, None, (name,)).__name__)


def motor(path):
    """The stop timer ends what nobody ends; a pulse costs no memory."""
    from drivers.motor import TimedMotor

    class Fake(TimedMotor):
        is_driven = False

        def _drive(self, strength_pct, on_ms):
            self.is_driven = True

        def _halt(self):
            self.is_driven = False

    async def main():
        it = Fake(60)
        guard = asyncio.create_task(it.guard())
        it.on(50, 100)
        await asyncio.sleep(0.3)
        print("driven", it.is_driven, "timer stops", it.timer_stops, "safe", it.is_safe)
        for _ in range(3):
            it.on(50, 100)
            it.off()
        if hasattr(gc, "mem_alloc"):
            gc.collect()
            gc.disable()
            before = gc.mem_alloc()
            for _ in range(100):
                it.on(50, 100)
                it.off()
            print("bytes a pulse", (gc.mem_alloc() - before) // 100)
        guard.cancel()

    asyncio.run(main())


{"pulse": pulse, "memory": memory, "boards": boards, "motor": motor}[sys.argv[1]](sys.argv[2])
