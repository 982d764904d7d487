"""A hook that SIGKILL does not end is given up after 2 s, and remembered (S4).

Made with a controller without the right to kill other users' processes, and a hook that becomes another user.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

CONTROLLER = """
import asyncio, json, os, sys, time
from pathlib import Path
from failover.support.launcher import Launcher
from failover.support.command import Command, hook_environment
from failover.support.hook_records import read_records

def another_user(file):
    try:
        return os.stat(f"/proc/{int(file.read_text())}").st_uid == 65534
    except (OSError, ValueError):
        return False

async def main(folder):
    launcher = await Launcher.start(folder)
    line = f"sh -c 'echo $$ > {folder}/pid; exec setpriv --reuid 65534 sleep 60'; true"
    limit_s = 60.0 if sys.argv[2] == "cancel" else 3.0
    command = Command(("/bin/sh", "-c", line), hook_environment({}), limit_s, "promote")
    began = time.monotonic()
    if sys.argv[2] == "cancel":
        task = asyncio.create_task(launcher.run(command))
        while not another_user(folder / "pid"):
            await asyncio.sleep(0.01)
        began = time.monotonic()
        task.cancel()
        await asyncio.wait([task])
        words = "cancelled" if task.cancelled() else "not cancelled"
    else:
        outcome = await launcher.run(command)
        words = [outcome.verdict, outcome.unstoppable, outcome.timed_out, outcome.describe()]
    took_s = time.monotonic() - began
    held = [len(launcher.unstoppable), launcher.alive("promote"), len(read_records(folder))]
    print(json.dumps([words, took_s, *held]), flush=True)
    sys.stdin.readline()  # the hook has been ended meanwhile
    for _ in range(500):
        if not launcher.unstoppable:
            break
        await asyncio.sleep(0.01)
    print(json.dumps([len(launcher.unstoppable), launcher.alive("promote"), len(read_records(folder))]), flush=True)
    await launcher.close()

asyncio.run(main(Path(sys.argv[1])))
"""


CANNOT_KILL = ["setpriv", "--bounding-set", "-kill", "--inh-caps", "-kill"]


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root, and setpriv")
@pytest.mark.parametrize("way", ["deadline", "cancel"])
def test_what_sigkill_does_not_end_is_given_up_after_2_s_and_remembered(tmp_path: Path, way: str) -> None:
    controller = subprocess.Popen(
        [*CANNOT_KILL, sys.executable, "-c", CONTROLLER, str(tmp_path), way],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert controller.stdout is not None
    words, took_s, *held = json.loads(controller.stdout.readline())
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    told, _ = controller.communicate(b"\n", timeout=20.0)
    if way == "deadline":
        said = "ended at its deadline, could not be ended: it still runs 2 s after SIGKILL"
        assert words == ["unknown", True, True, said]
    else:
        assert words == "cancelled"
    assert took_s > 2.0
    assert held == [1, True, 1]
    assert json.loads(told) == [0, False, 0]
