# SPDX-License-Identifier: MIT
"""The chain on a real kernel and a real BlueZ, in a virtual machine, over the simulated room.

`python -m tests.kernel [--root FOLDER]` boots a Linux kernel, gives it a simulated Bluetooth
controller by `/dev/vhci`, starts bluetoothd on it and goes through what `guest.py` has; it ends
with 0 if all of that went well.  The machine sees the files of this one, and changes none.

It needs, on Debian, the packages qemu-system-x86, linux-image-amd64, bluez and busybox-static;
FOLDER is where they are unpacked if they are not installed.  The processor is emulated, so that no
rights are needed; it takes some five minutes.
"""

from __future__ import annotations

import argparse
import gzip
import lzma
import os
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
TIMEOUT_S = 900
WELL = "guest: all is well"
"""The last line of `guest.py`, if it is."""
MODULES = (
    *("virtio_pci", "9pnet_virtio", "9p"),
    *("algif_hash", "algif_skcipher", "ecb", "cmac", "hci_vhci", "uhid"),
)
INIT = """#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
for module in /modules/*; do /bin/busybox insmod $module; done
/bin/busybox mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=loose,ro host /host
for folder in dev proc sys; do /bin/busybox mount --move /$folder /host/$folder; done
for folder in run var mnt; do /bin/busybox mount -t tmpfs tmpfs /host/$folder; done
exec /bin/busybox switch_root /host {python} -P -m tests.kernel.guest
"""


class MissingError(Exception):
    """A part is not there."""


def find(root: Path, pattern: str) -> Path:
    """Return the last file, in order of names, that fits a pattern under the root or its `usr`."""
    for top in (root, root / "usr"):
        if found := sorted(top.glob(pattern)):
            return found[-1]
    raise MissingError(f"no {pattern} in {root}: see `python -m tests.kernel --help`")


def read_module(path: Path) -> bytes:
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def modules(folder: Path) -> list[bytes]:
    """Return the modules in the order in which they can be loaded."""
    known = {path.name.partition(".")[0].replace("-", "_"): path for path in folder.rglob("*.ko*")}
    loaded: dict[str, bytes] = {}

    def load(name: str) -> None:
        if name in loaded or name not in known:  # what is not there is built in
            return
        data = read_module(known[name])
        told = re.search(rb"\0depends=([^\0]*)\0", data)
        for other in told[1].decode().split(",") if told else ():
            load(other.replace("-", "_"))
        loaded[name] = data

    for name in MODULES:
        load(name)
    return list(loaded.values())


def archive(files: dict[str, tuple[int, bytes]]) -> bytes:
    """Return the cpio archive of files, given by their names, each with its mode."""
    out = bytearray()
    for number, (name, (mode, data)) in enumerate([*files.items(), ("TRAILER!!!", (0, b""))]):
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        out += bytes(-len(out) % 4) + data
        out += bytes(-len(out) % 4)
    return bytes(out)


def first_files(root: Path) -> bytes:
    """Return the first file system: busybox, modules, and what mounts the files of this machine."""
    folders = ("bin", "modules", "proc", "sys", "dev", "host")
    files = dict.fromkeys(folders, (0o040755, b""))
    files["bin/busybox"] = (0o100755, find(root, "bin/busybox").read_bytes())
    for number, module in enumerate(modules(find(root, "lib/modules/*"))):
        files[f"modules/{number:02}"] = (0o100644, module)
    init = INIT.format(python=sys.executable)
    files["init"] = (0o100755, init.encode())
    return gzip.compress(archive(files), 1)


def boot(root: Path, initrd: Path) -> int:
    """Boot, and print what the machine says; gives the exit status."""
    words = f"console=ttyS0 quiet cryptomgr.notests panic=1 TENUTO_ROOT={root}"
    words += f" PYTHONPATH={os.environ.get('PYTHONPATH', REPOSITORY)}"
    arguments: list[str | Path] = [
        *(find(root, "bin/qemu-system-x86_64"), "-accel", "tcg", "-cpu", "max", "-m", "1500"),
        *("-nographic", "-no-reboot", "-nic", "none"),
        *("-kernel", find(root, "boot/vmlinuz-*"), "-initrd", initrd, "-append", words),
        *("-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap"),
        *("-device", "virtio-9p-pci,fsdev=host,mount_tag=host"),
    ]
    environ = dict(os.environ)
    if root != Path("/"):
        arguments += ["-L", root / "usr/share/qemu", "-L", root / "usr/share/seabios"]
        libraries = map(str, root.glob("**/lib/x86_64-linux-gnu"))
        environ["LD_LIBRARY_PATH"] = os.pathsep.join(libraries)
    is_well = False
    with subprocess.Popen(
        arguments, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as machine:
        timer = threading.Timer(TIMEOUT_S, machine.kill)
        timer.start()
        assert machine.stdout is not None
        for line in machine.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            is_well = is_well or line.strip() == WELL
        timer.cancel()
    return 0 if is_well else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("/"))
    root = parser.parse_args().root.resolve()
    with tempfile.TemporaryDirectory() as folder:
        initrd = Path(folder) / "initrd"
        try:
            initrd.write_bytes(first_files(root))
            return boot(root, initrd)
        except MissingError as error:
            sys.stderr.write(f"{error}\n")
            return 2


if __name__ == "__main__":
    sys.exit(main())
