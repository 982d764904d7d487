"""What runs inside the virtual machine, with our own device and guardian: `guest.py SCENARIO`. Says on the console
what it does; whether the machine is reset is seen from outside.
"""

import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from fencing.watchdog.device import Device, open_armed
from fencing.watchdog.guardian import Guardian

DOG = Path("/dev/watchdog0")
GUARD = Path("/run/self-fence.sock")
W_S = 5
HANGS_S = 3.0


def say(words: str) -> None:
    print(f"softdog: {words}", flush=True)


def fed(guard: Guardian | None = None) -> Device:
    """Armed, and fed three times."""
    device = open_armed(DOG)
    said = device.support()
    say(f"driver {said.identity}, options {said.options:#x}, time-out {device.set_timeout(W_S)} s")
    if guard is not None:
        guard.hold(device.fd, {"armed": True})
    for _ in range(3):
        time.sleep(0.5)
        device.feed()
    say("last pet")
    return device


def child(guarded: bool) -> int:
    """A controller that feeds, hangs, and will be killed."""
    pid = os.fork()
    if pid == 0:
        fed(Guardian(GUARD) if guarded else None)
        time.sleep(60)
    return pid


def killed(guarded: bool) -> None:
    pid = child(guarded)
    time.sleep(1.5 + HANGS_S + (0.5 if guarded else 0.0))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    say("killed")


kept: Device | None = None


def stop() -> None:
    global kept  # so that it is not closed
    kept = fed()


def disarm() -> None:
    fed().disarm()


def kill_guarded() -> None:
    killed(guarded=True)


def kill_alone() -> None:
    killed(guarded=False)


def successor() -> None:
    killed(guarded=True)
    guard = Guardian(GUARD)
    taken = guard.take()
    assert taken is not None
    device = Device(DOG, taken[0])
    device.feed()
    say("last pet")
    device.disarm()
    guard.release()


if __name__ == "__main__":
    for name in ("identity", "state", "nowayout", "max_timeout"):
        file = Path("/sys/class/watchdog/watchdog0") / name
        say(f"{name}: {file.read_text().strip() if file.exists() else '-'}")
    parameters = Path("/sys/module/softdog/parameters")
    say(f"parameters in sysfs: {sorted(os.listdir(parameters)) if parameters.exists() else 'none'}")
    globals()[sys.argv[1]]()
    time.sleep(3 * W_S)
    say("alive")
