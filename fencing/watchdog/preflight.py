"""What can be told of a watchdog without opening it, which would arm it. Reads sysfs and /proc only."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from config.models.watchdog import WatchdogSettings

_NOBOOT = re.compile(r"^[^#]*\bsoftdog\b.*\bsoft_noboot=[1-9]")


@dataclass(frozen=True, slots=True)
class Doubt:
    """`key`: of the settings, which it concerns. `bars`: it can never be armed like this."""

    key: str
    message: str
    hint: str
    bars: bool = True


def doubts(settings: WatchdogSettings, root: Path = Path("/")) -> list[Doubt]:
    """Everything that speaks against it on this host. `root`: where /sys and /proc are looked for."""
    return [*_of_machine(settings, root), *_of_device(settings, root)]


def on_virtual_machine(root: Path = Path("/")) -> bool:
    """Whether the processor says that a hypervisor is below."""
    for line in _text(root / "proc/cpuinfo").splitlines():
        if line.startswith("flags"):
            return "hypervisor" in line.split()
    return False


def _of_machine(settings: WatchdogSettings, root: Path) -> list[Doubt]:
    if settings.allow_on_virtual_machine or not on_virtual_machine(root):
        return []
    message = "this is a virtual machine: one that is paused is not reset, and serves on when it wakes"
    hint = "fence it through its hypervisor, or write allow_on_virtual_machine: true where nobody ever pauses it"
    return [Doubt("allow_on_virtual_machine", message, hint)]


def _of_device(settings: WatchdogSettings, root: Path) -> list[Doubt]:
    try:
        status = os.stat(settings.device)
    except OSError as error:
        hint = "load its driver: modprobe softdog, where there is no hardware"
        return [Doubt("device", f"{settings.device}: {error.strerror}", hint)]
    if not stat.S_ISCHR(status.st_mode):
        message = f"{settings.device} is not a character device: what it is shows only when it is armed"
        return [Doubt("device", message, "name the watchdog device", bars=False)]
    found = []
    where = _in_sysfs(status.st_rdev, root)
    name = _text(where / "identity")
    if _text(where / "state") == "active":
        message = f"{settings.device} ({name}) is armed already: by systemd (RuntimeWatchdogSec=), watchdog(8) or sbd?"
        found.append(Doubt("device", message, "one program may have it: free it, or name another", bars=False))
    if "software watchdog" in name.lower() and _never_resets(root):
        found.append(Doubt("device", "softdog with soft_noboot=1 never resets", "load it without soft_noboot"))
    if _text(where / "nowayout") == "1":
        message = "nowayout is set: once armed it can never be disarmed, so a standby that ends is reset"
        found.append(Doubt("device", message, "load the driver with nowayout=0", bars=False))
    longest = _text(where / "max_timeout")
    if longest.isdigit() and 0 < int(longest) < settings.timeout:
        found.append(Doubt("timeout", f"the driver counts to {longest} s at most", f"write {longest}s or less"))
    return found


def never_lets_go(device: Path, root: Path = Path("/")) -> bool:
    """Whether it is known to have nowayout, with which a magic close does nothing."""
    try:
        return _text(_in_sysfs(os.stat(device).st_rdev, root) / "nowayout") == "1"
    except OSError:
        return False


def _never_resets(root: Path) -> bool:
    """Whether softdog was asked to. The driver does not show it in sysfs, so this is where it is asked for."""
    folders = [root / where / "modprobe.d" for where in ("etc", "run", "usr/local/lib", "usr/lib", "lib")]
    files = [root / "proc/cmdline", *(file for folder in folders for file in sorted(folder.glob("*.conf")))]
    return any(_NOBOOT.search(line) for file in files for line in _text(file).splitlines())


def _in_sysfs(number: int, root: Path) -> Path:
    if (os.major(number), os.minor(number)) == (10, 130):  # the old name of the first one
        return root / "sys/class/watchdog/watchdog0"
    return root / f"sys/dev/char/{os.major(number)}:{os.minor(number)}"


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace").strip()
    except OSError:
        return ""
