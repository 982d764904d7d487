"""sushy-emulator, its power changes as slow as a file says, and deadly: run as a program by `tests.servers.sushy`.

In SUSHY_POWER_DIR: `delay` (seconds; `stuck`: never), `NAME.kills` (pid files, one a line, whose processes lose power),
`NAME.powers` (every change).
"""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from sushy_tools.emulator import main as emulator
from sushy_tools.emulator.resources.systems.fakedriver import FakeDriver

STATE = Path(os.environ["SUSHY_POWER_DIR"])
_update, _set = FakeDriver._update, FakeDriver.set_power_state


def set_power_state(self: Any, identity: str, state: str) -> None:
    """As the driver does it, but after the delay that the file says; the last order holds."""
    _set(self, identity, state)
    system = self._get(identity)
    pending = system.get("pending_power")
    if not pending:
        return
    if pending["power_state"] != ("On" if "On" in state else "Off"):
        _update(self, system, pending_power=None)
        return
    delay = (STATE / "delay").read_text().strip()
    pending["apply_time"] = time.time() + (10**6 if delay == "stuck" else float(delay))
    _update(self, system, pending_power=pending)


def update(self: Any, system: Any, **changes: Any) -> None:
    """Take the power from what runs there before anybody is told Off, and note every change."""
    if changes.get("power_state") == "Off" and isinstance(system, dict):
        kills = STATE / f"{system['name']}.kills"
        for path in kills.read_text().split() if kills.exists() else ():
            try:
                os.kill(int(Path(path).read_text()), signal.SIGKILL)
            except (FileNotFoundError, ProcessLookupError, ValueError):
                continue
    if "power_state" in changes and isinstance(system, dict):
        with (STATE / f"{system['name']}.powers").open("a") as powers:
            powers.write(f"{changes['power_state']}\n")
    _update(self, system, **changes)


FakeDriver.set_power_state, FakeDriver._update = set_power_state, update
sys.exit(emulator.main())
