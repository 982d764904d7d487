"""A machine in QEMU with a Debian kernel, its softdog, this Python, and our own code: made, started, watched.

The packages are fetched and unpacked into a folder of the checkout; nothing is installed.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
OURS = ("fencing/watchdog/__init__.py", "fencing/watchdog/device.py", "fencing/watchdog/guard.py",
        "fencing/watchdog/guardian.py")  # fmt: skip
PACKAGES_OF_PYTHON = ("collections", "encodings", "importlib", "json", "lib-dynload", "re", "urllib")
LONGEST_S = 180.0

INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /run /tmp
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox insmod /watchdog.ko
for word in $(/bin/busybox cat /proc/cmdline); do
    case "$word" in softdog.*) options="$options ${word#softdog.}" ;; scenario=*) scenario="${word#*=}" ;; esac
done
/bin/busybox insmod /softdog.ko $options
PYTHON -I -S /failoverd/guest.py "$scenario"
echo "softdog: ended $?"
/bin/busybox sleep 1
/bin/busybox poweroff -f
"""


class Machine:
    """`folder`: where everything is kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kernel = folder / "vmlinuz"
        self._initramfs = folder / "initramfs.gz"

    def make(self) -> None:
        """Fetch what is missing, and pack the files that the machine starts with. SystemExit where it cannot be."""
        gone = [program for program in ("qemu-system-x86_64", "apt-get", "dpkg") if shutil.which(program) is None]
        if gone:
            sys.exit(f"missing: {', '.join(gone)}; on Debian: apt-get install qemu-system-x86 seabios")
        self._folder.mkdir(exist_ok=True)
        unpacked = self._folder / "unpacked"
        if not list(unpacked.glob("boot/vmlinuz-*")):
            self._fetch(unpacked)
        kernel = sorted(unpacked.glob("boot/vmlinuz-*"))[-1]
        shutil.copyfile(kernel, self._kernel)
        drivers = unpacked / "lib/modules" / kernel.name.removeprefix("vmlinuz-") / "kernel/drivers/watchdog"
        root = self._folder / "root"
        shutil.rmtree(root, ignore_errors=True)
        for name in ("watchdog.ko", "softdog.ko"):
            _copy(drivers / name, root / name)
        _copy(unpacked / "bin/busybox", root / "bin/busybox")
        _python(root)
        for name in OURS:
            _copy(CHECKOUT / name, root / "failoverd" / name)
        (root / "failoverd/fencing/__init__.py").touch()
        _copy(CHECKOUT / "tests/softdog/guest.py", root / "failoverd/guest.py")
        (root / "init").write_text(INIT.replace("PYTHON", os.path.realpath(sys.executable)))
        (root / "init").chmod(0o755)
        self._initramfs.write_bytes(gzip.compress(_archive(root), 1))

    def _fetch(self, unpacked: Path) -> None:
        told = subprocess.run(
            ["apt-cache", "depends", "--important", "linux-image-cloud-amd64"],
            check=True, capture_output=True, text=True, timeout=60,
        ).stdout  # fmt: skip
        kernel = next(word for word in told.split() if word.startswith("linux-image-") and word[12].isdigit())
        fetched = self._folder / "packages"
        fetched.mkdir(exist_ok=True)
        subprocess.run(["apt-get", "-q", "download", kernel, "busybox-static"], cwd=fetched, check=True, timeout=600)
        for package in fetched.glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(package), str(unpacked)], check=True, timeout=120)

    def run(self, scenario: str, options: str = "") -> Iterator[tuple[float, str]]:
        """Start it; what it says, each with the time (CLOCK_MONOTONIC); the last one is "gone"."""
        words = f"console=ttyS0 quiet panic=-1 scenario={scenario} {options}"
        command = [
            "qemu-system-x86_64", "-accel", "tcg", "-m", "512", "-nographic", "-no-reboot",
            "-nodefaults", "-serial", "stdio", "-kernel", str(self._kernel), "-initrd", str(self._initramfs),
            "-append", words,
        ]  # fmt: skip
        machine = subprocess.Popen(
            ["timeout", "--kill-after=5", str(LONGEST_S), *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert machine.stdout is not None
        with machine, machine.stdout as said, (self._folder / f"{scenario}.log").open("wb") as log:
            for line in said:
                log.write(line)
                yield time.monotonic(), line.decode("utf-8", "replace").strip()
            machine.wait()
        yield time.monotonic(), "gone" if machine.returncode == 0 else f"broken: exit {machine.returncode}"


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)


def _python(root: Path) -> None:
    """This interpreter at its own place, with the parts of its library that are needed."""
    program = Path(os.path.realpath(sys.executable))
    library = Path(os.path.realpath(os.__file__)).parent
    for file in library.glob("*.py"):
        _copy(file, root / str(file)[1:])
    for name in PACKAGES_OF_PYTHON:
        source = library / name
        ignore = shutil.ignore_patterns("__pycache__", "test*", "*_test*")
        if source.is_dir():
            shutil.copytree(source, root / str(source)[1:], ignore=ignore)
    _copy(program, root / str(program)[1:])
    told = subprocess.run(["ldd", str(program)], check=True, capture_output=True, text=True, timeout=30).stdout
    for word in told.split():
        if word.startswith("/"):
            _copy(Path(os.path.realpath(word)), root / word[1:])


def _archive(root: Path) -> bytes:
    """In the kernel's format, cpio's "newc"."""
    parts = []
    paths = sorted(root.rglob("*"))
    for number, path in enumerate([*paths, None], 1):
        name = "TRAILER!!!" if path is None else str(path.relative_to(root))
        data = path.read_bytes() if path is not None and path.is_file() else b""
        mode = path.stat().st_mode if path is not None else 0
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        parts += [head, b"\0" * (-len(head) % 4), data, b"\0" * (-len(data) % 4)]
    return b"".join(parts)
