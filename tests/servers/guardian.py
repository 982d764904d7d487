"""Nothing that the tests start outlives them, not even when they are killed with SIGKILL.

The test process puts a mark of its own into its environment, which every process below it
inherits, orphans included. A guardian, a small shell in a session of its own, reads from a pipe;
when the test process is gone, however it went, the pipe ends, and the guardian kills whatever
carries the mark or works in the scratch folder (some servers, Redis for one, write over their
environment), and removes that folder. It never touches a process that does neither, and does not
know what they are.

PR_SET_PDEATHSIG would not do: it fires when the *thread* that started the process ends, and it
misses orphans.
"""

import atexit
import os
import secrets
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psutil

_MARK = "FAILOVERD_TEST_RUN"
_MEMORY = Path("/dev/shm")
_LAST_SWEEP_S = 10.0
_SCRIPT = r"""
cat >/dev/null
for turn in 1 2 3 4 5 6 7 8 9 10; do
    pids=$({
        grep -lszxF "$1" /proc/[0-9]*/environ
        find /proc/[0-9]*/cwd -maxdepth 0 -lname "$2/*" 2>/dev/null
    } | cut -d/ -f3)
    [ -n "$pids" ] || break
    kill -9 $pids 2>/dev/null
    sleep 0.02
done
rm -rf "$2"
"""


@dataclass(frozen=True)
class Guardian:
    """This test process's guardian, the mark, and the folder that goes when the tests are over."""

    process: subprocess.Popen[bytes]
    mark: str
    scratch: Path


_guardians: list[Guardian] = []


def guardian() -> Guardian:
    """The guardian, started at the first call."""
    if not _guardians:
        _guardians.append(_start())
        atexit.register(_end)
    return _guardians[0]


def scratch_folder(name: str) -> Path:
    """A new folder, gone afterwards; in memory if possible, so that nothing waits for an fsync."""
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=guardian().scratch))


def marked_processes() -> list[psutil.Process]:
    """Every live process that the tests started, orphans included."""
    ours = guardian()
    return [process for process in psutil.process_iter() if process.pid != os.getpid() and _is_ours(process.pid, ours)]


def _start() -> Guardian:
    unmarked = {name: value for name, value in os.environ.items() if name != _MARK}
    os.environ[_MARK] = secrets.token_hex(8)
    mark = f"{_MARK}={os.environ[_MARK]}"
    memory = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    scratch = Path(tempfile.mkdtemp(prefix="failoverd-tests-", dir=memory))
    process = subprocess.Popen(
        ["sh", "-c", _SCRIPT, "guardian", mark, str(scratch)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=unmarked,
        start_new_session=True,  # Ctrl-C in the terminal is for the tests only
    )
    return Guardian(process, mark, scratch)


def _end() -> None:
    process = _guardians[0].process
    assert process.stdin is not None
    process.stdin.close()
    process.wait(_LAST_SWEEP_S)


def _is_ours(pid: int, ours: Guardian) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        folder = Path(f"/proc/{pid}/cwd").readlink()
    except (PermissionError, FileNotFoundError, ProcessLookupError):
        return False
    return ours.mark.encode() in environment.split(b"\0") or ours.scratch in folder.parents
