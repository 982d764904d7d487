"""One host: systemd as PID 1 in systemd-nspawn, over an overlay of this machine's root, in a network of its own.

What is mounted is seen by its own processes only and goes with them; the one thing with a name on this machine is its
control group, made and removed here. It does not know what is tested. The checkout is there at its own path, read-only.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab.network import Network, namespace_of
from tests.servers.guardian import guardian, scratch_folder
from tests.servers.wait import eventually

CHECKOUT = Path(__file__).resolve().parents[2]
GROUPS = Path("/sys/fs/cgroup")
NEEDED = {"systemd-nspawn": "systemd-container", "dbus-daemon": "dbus", "nsenter": "util-linux", "ip": "iproute2"}
_FILES = {"/lib/systemd/systemd": "systemd", "/lib/systemd/system/dbus.service": "dbus"}
BOOT_S = 30.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Whatever this machine starts at boot, this host does not.
_NOT_STARTED = (
    *(f"etc/systemd/system/{target}.target.wants" for target in ("multi-user", "sysinit", "sockets", "timers")),
    *(f"etc/rc{level}.d" for level in "S2345"),
)
# Waits for its network before it boots; $$ stays the same process throughout.
_SCRIPT = r"""
set -e
host=$1; shift
for group in $GROUPS_OF_HOST; do echo $$ > "$group/cgroup.procs"; done
read -r _
mount --bind "$LOWER" "$host/low"
mount -t overlay overlay -o "lowerdir=$host/low,upperdir=$host/up,workdir=$host/work" "$host/root"
exec systemd-nspawn --quiet --register=no --keep-unit --directory="$host/root" \
    --network-namespace-path=/proc/$$/ns/net --capability=CAP_NET_ADMIN,CAP_NET_RAW --boot --console=pipe "$@"
"""


def missing() -> list[str]:
    """What a host needs and this machine has not, in words; empty when one can be booted."""
    if os.geteuid() != 0:
        return ["root"]
    gone = [f"`{program}` (Debian: {package})" for program, package in NEEDED.items() if not shutil.which(program)]
    if gone:
        return gone
    gone = [f"{file} (Debian: {package})" for file, package in _FILES.items() if not Path(file).exists()]
    if gone:
        return gone
    if not _group_roots():
        return [f"control groups with systemd's hierarchy under {GROUPS}"]
    trial = subprocess.run(
        ["unshare", "--mount", "--net", "true"], capture_output=True, text=True, timeout=10, check=False
    )
    return [] if trial.returncode == 0 else [f"namespaces ({trial.stderr.strip()})"]


class Host:
    """Host `number` of a network: h1, h2, … `root`: what it is an overlay of; only over `/` it sees the checkout."""

    def __init__(self, network: Network, number: int = 1, root: Path = Path("/")) -> None:
        self._root = root
        self.network = network
        self.number = number
        self.name = f"h{number}"
        self.address = network.address(number)
        self.folder = scratch_folder(f"lab-{self.name}")
        group = f"failoverd-lab-{os.getpid()}-{secrets.token_hex(3)}"
        self._groups = [root / group for root in _group_roots()]
        self._process: subprocess.Popen[bytes] | None = None
        self._init = 0

    def __enter__(self) -> Self:
        try:
            self._prepare()
            self._boot()
        except BaseException:
            self.destroy()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.destroy()

    # --- files ----------------------------------------------------------------------------------

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file on the host, before it boots or while it runs."""
        at = self.folder / "up" / path.lstrip("/") if not self._init else Path(f"/proc/{self._init}/root{path}")
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(text, "utf-8")
        at.chmod(mode)

    def put(self, file: Path, path: str) -> None:
        """Copy a file to the running host."""
        shutil.copyfile(file, f"/proc/{self._init}/root{path}")

    # --- running --------------------------------------------------------------------------------

    def run(self, *words: str, timeout_s: float = 30.0) -> subprocess.CompletedProcess[str]:
        """Run a command on the host."""
        return subprocess.run(
            ["nsenter", "-t", str(self._init), "-a", *words],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            cwd="/",
            env={"PATH": _PATH, "LANG": "C.UTF-8", "HOME": "/root"},
        )

    def must(self, *words: str, timeout_s: float = 30.0) -> str:
        """Run a command that has to succeed; what it printed."""
        done = self.run(*words, timeout_s=timeout_s)
        assert done.returncode == 0, f"on {self.name}: {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def show(self, unit: str, *names: str) -> list[str]:
        """Properties of a unit, in the order of `names`."""
        told = self.must("systemctl", "show", unit, "--property", ",".join(names))
        found = dict(line.partition("=")[::2] for line in told.splitlines())
        return [found.get(name, "") for name in names]

    def journal(self, unit: str) -> str:
        """What a unit has logged."""
        return self.must("journalctl", "--no-pager", "--output=cat", "--unit", unit)

    # --- its life -------------------------------------------------------------------------------

    def _prepare(self) -> None:
        for name in ("low", "up", "work", "root"):
            (self.folder / name).mkdir()
        self.write("etc/hostname", f"{self.name}\n")
        self.write("etc/machine-id", f"{secrets.token_hex(16)}\n")
        self.write("etc/hosts", f"127.0.0.1 localhost\n{self.address} {self.name}\n")
        for folder in _NOT_STARTED:
            hidden = self.folder / "up" / folder
            hidden.mkdir(parents=True)
            os.setxattr(hidden, "trusted.overlay.opaque", b"y")

    def _boot(self) -> None:
        for group in self._groups:
            group.mkdir()
        seen = {str(CHECKOUT), sys.base_prefix, sys.prefix} - {"/usr"} if self._root == Path("/") else set()
        mark = f"--setenv={guardian().mark}"  # on its first process: the guardian ends it if we are killed
        words = [f"--machine={self.name}", f"--hostname={self.name}", mark, *(f"--bind-ro={at}" for at in sorted(seen))]
        with (self.folder / "console").open("wb") as console:
            self._process = subprocess.Popen(
                ["unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", _SCRIPT, "host",
                 str(self.folder), *words],
                stdin=subprocess.PIPE,
                stdout=console,
                stderr=console,
                env={**os.environ, "GROUPS_OF_HOST": " ".join(map(str, self._groups)), "LOWER": str(self._root)},
                start_new_session=True,
            )  # fmt: skip
        pid = self._process.pid
        eventually(lambda: namespace_of(pid) != namespace_of("self"), 5, f"{self.name} has its namespace")
        self.network.plug_in(self.number, pid)
        assert self._process.stdin is not None
        self._process.stdin.write(b"go\n")
        self._process.stdin.close()
        self._init = eventually(self._find_init, BOOT_S, f"{self.name} has its first process: {self._console()}")
        eventually(self._has_booted, BOOT_S, f"{self.name} has booted: {self._console()}")

    def _find_init(self) -> int:
        assert self._process is not None
        assert self._process.poll() is None, f"systemd-nspawn ended: {self._console()}"
        for child in _children(self._process.pid):
            with contextlib.suppress(OSError):
                if Path(f"/proc/{child}/comm").read_text("ascii").strip() == "systemd":
                    return child
        return 0

    def _has_booted(self) -> bool:
        said = self.run("systemctl", "is-system-running").stdout.strip()
        return said in ("running", "degraded")

    def _console(self) -> str:
        return (self.folder / "console").read_text("utf-8", "replace")[-2000:]

    def destroy(self) -> None:
        """Switch it off and remove every trace."""
        if self._init:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._init, signal.SIGKILL)
        if self._process is not None:
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            if self._process.stdin is not None:
                self._process.stdin.close()
        for group in self._groups:
            _remove_group(group)
        shutil.rmtree(self.folder, ignore_errors=True)


def _group_roots() -> list[Path]:
    """Where a host's own control group is made: in each hierarchy that systemd uses."""
    if (GROUPS / "cgroup.controllers").exists():
        return [GROUPS]
    return [GROUPS / name for name in ("systemd", "unified", "pids") if (GROUPS / name / "cgroup.procs").exists()]


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]
    return []


def _remove_group(group: Path) -> None:
    """The kernel takes a moment to let go of processes that were killed."""
    until = time.monotonic() + 5.0
    while group.exists() and time.monotonic() < until:
        for path, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                Path(path).rmdir()


def sweep() -> None:
    """Remove the control groups of hosts whose tests were killed with SIGKILL. Only empty ones can be removed."""
    for root in _group_roots():
        for group in root.glob("failoverd-lab-*-*"):
            if not Path(f"/proc/{group.name.split('-')[2]}").exists():
                _remove_group(group)
