"""One host: systemd as PID 1 in systemd-nspawn, over an overlay of this machine's root, in a network of its own.

It has a power switch, and what it has written stays when the power goes. What is mounted is seen by its own processes
only and goes with them; the one thing with a name on this machine is its control group, made and removed here. It does
not know what is tested. The checkout is there at its own path, read-only.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab.network import Cable, Network, namespace_of, run
from tests.servers.guardian import guardian, scratch_folder
from tests.servers.wait import eventually

CHECKOUT = Path(__file__).resolve().parents[2]
GROUPS = Path("/sys/fs/cgroup")
NEEDED = {"systemd-nspawn": "systemd-container", "dbus-daemon": "dbus", "nsenter": "util-linux", "ip": "iproute2"}
_FILES = {"/lib/systemd/systemd": "systemd", "/lib/systemd/system/dbus.service": "dbus"}
BOOT_S = 30.0
_WALL = "/var/lib/wall-clock-offset"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Whatever this machine starts at boot, this host does not.
_NOT_STARTED = (
    *(f"etc/systemd/system/{target}.target.wants" for target in ("multi-user", "sysinit", "sockets", "timers")),
    *(f"etc/rc{level}.d" for level in "S2345"),
)
# Waits for its network before it boots; $$ stays the same process, and holds the network, over reboots and power cuts.
# systemd-nspawn ends with 133 when the host wants to be rebooted.
_SCRIPT = r"""
set -e
host=$1; shift
for group in $GROUPS_OF_HOST; do echo $$ > "$group/cgroup.procs"; done
read -r _
mount --bind "$LOWER" "$host/low"
mount -t overlay overlay -o "lowerdir=$host/low,upperdir=$host/up,workdir=$host/work" "$host/root"
if [ -n "$DISK" ]; then
    mount -t tmpfs -o "size=$DISK,mode=755" disk "$host/disk"
    set -- --bind="$host/disk:/srv" "$@"
fi
set +e
while :; do
    while [ ! -e "$host/power" ]; do sleep 0.05; done
    ip link set eth0 up
    systemd-nspawn --quiet --register=no --keep-unit --directory="$host/root" \
        --network-namespace-path=/proc/$$/ns/net --capability=CAP_NET_ADMIN,CAP_NET_RAW --boot --console=pipe "$@" \
        </dev/null & echo $! > "$host/nspawn"
    wait $!
    ended=$?
    ip link set eth0 down # nobody answers from here until it boots
    [ $ended = 133 ] || rm -f "$host/power"
done
"""
# The switch is cut off first: a host without power says goodbye to nobody. Returns when nothing of it runs any more.
_POWER_OFF = r"""#!/bin/sh
cd {folder} && nspawn=$(cat nspawn) || exit 1
rm -f power
nsenter -t {switch} -n ip link set {port} down
while [ -d /proc/$nspawn ]; do
    for child in $(cat /proc/$nspawn/task/*/children 2>/dev/null); do
        [ "$(cat /proc/$child/comm 2>/dev/null)" = systemd ] && kill -9 "$child"
    done
    sleep 0.02
done
for group in {groups}; do
    [ ! -e "$group/payload/cgroup.freeze" ] || echo 0 > "$group/payload/cgroup.freeze"  # the next boot is not frozen
done
"""
_POWER_ON = r"""#!/bin/sh
nsenter -t {switch} -n ip link set {port} up
touch {folder}/power
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
    """Host `number` of a network: h1, h2, …

    With `cable`, its frames can be delayed and lost; `disk` is the size of /srv, which then has a disk of its own.
    `root`: what it is an overlay of; only over `/` it sees the checkout.
    """

    def __init__(
        self, network: Network, number: int = 1, *, cable: bool = False, disk: str = "", root: Path = Path("/")
    ) -> None:
        self._root = root
        self.network = network
        self.cable: Cable | None = None
        self._with_cable = cable
        self._disk = disk
        self.number = number
        self.name = f"h{number}"
        self.address = network.address(number)
        self.folder = scratch_folder(f"lab-{self.name}")
        group = f"failoverd-lab-{os.getpid()}-{secrets.token_hex(3)}"
        self._groups = [root / group for root in _group_roots()]
        self._process: subprocess.Popen[bytes] | None = None

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
        init = self.init()
        at = Path(f"/proc/{init}/root{path}") if init else self.folder / "up" / path.lstrip("/")
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(text, "utf-8")
        at.chmod(mode)

    def put(self, file: Path, path: str) -> None:
        """Copy a file to the running host."""
        shutil.copyfile(file, f"/proc/{self.init()}/root{path}")

    # --- running --------------------------------------------------------------------------------

    def run(self, *words: str, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run a command on the host."""
        return subprocess.run(
            ["nsenter", "-t", str(self.init()), "-a", *words],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            cwd="/",
            env={"PATH": _PATH, "LANG": "C.UTF-8", "HOME": "/root"},
        )

    def must(self, *words: str, timeout_s: float = 60.0) -> str:
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

    # --- its power ------------------------------------------------------------------------------

    def init(self) -> int:
        """The pid of its first process, seen from here; 0 while it is off."""
        with contextlib.suppress(OSError, ValueError):
            nspawn = int((self.folder / "nspawn").read_text("ascii"))
            for child in _children(nspawn):
                if Path(f"/proc/{child}/comm").read_text("ascii").strip() == "systemd":
                    return child
        return 0

    def power_off(self) -> None:
        """Take its power: no packet gets out, nothing is stopped in order. What it has written stays."""
        subprocess.run([str(self.folder / "power-off")], timeout=BOOT_S, check=True)

    def power_on(self, wait: bool = True) -> None:
        """Give it power; it boots."""
        subprocess.run([str(self.folder / "power-on")], timeout=BOOT_S, check=True)
        if wait:
            self.boots()

    def boots(self) -> None:
        """Wait until it is up: also after somebody else has switched it on."""
        eventually(self._has_booted, BOOT_S, f"{self.name} has booted: {self._console()}")

    def freeze(self) -> None:
        """Pause it, as a hypervisor does: nothing runs, and no packet is answered."""
        self._link("down")
        self._freezer(1)

    def thaw(self) -> None:
        self._freezer(0)
        self._link("up")

    def _link(self, state: str) -> None:
        run("nsenter", "-t", str(self.network.switch), "-n", "ip", "link", "set", f"p{self.number}", state)

    def _freezer(self, wanted: int) -> None:
        (group,) = [found for root in self._groups if (found := root / "payload" / "cgroup.freeze").exists()]
        group.write_text(f"{wanted}\n", "ascii")
        events = group.with_name("cgroup.events")
        eventually(lambda: f"frozen {wanted}" in events.read_text("ascii"), 5, f"{self.name}: frozen {wanted}")

    def jump(self, by_s: int) -> None:
        """Set the wall clock of all its programs off by so many seconds; no other clock. Needs `wall.c`, compiled."""
        with Path(f"/proc/{self.init()}/root{_WALL}").open("r+b") as offset:
            offset.write(struct.pack("q", by_s))

    # --- its life -------------------------------------------------------------------------------

    def _prepare(self) -> None:
        for name in ("low", "up", "work", "root", "disk"):
            (self.folder / name).mkdir()
        self.write("etc/hostname", f"{self.name}\n")
        self.write("etc/machine-id", f"{secrets.token_hex(16)}\n")
        self.write("etc/hosts", f"127.0.0.1 localhost\n{self.address} {self.name}\n")
        for folder in _NOT_STARTED:
            hidden = self.folder / "up" / folder
            hidden.mkdir(parents=True)
            os.setxattr(hidden, "trusted.overlay.opaque", b"y")
        for name, script in (("power-off", _POWER_OFF), ("power-on", _POWER_ON)):
            told = {
                "folder": self.folder,
                "switch": self.network.switch,
                "port": f"p{self.number}",
                "groups": " ".join(map(str, self._groups)),
            }
            (self.folder / name).write_text(script.format(**told), "ascii")
            (self.folder / name).chmod(0o755)

        if self._with_cable and (cc := shutil.which("cc")):
            library = self.folder / "up" / "usr/lib/wall.so"
            library.parent.mkdir(parents=True)
            words = [cc, "-shared", "-fPIC", "-O1", f'-DWALL="{_WALL}"', str(Path(__file__).with_name("wall.c"))]
            subprocess.run([*words, "-o", str(library)], timeout=30, check=True)
            self.write(_WALL, "\0" * 8)
            self.write("etc/ld.so.preload", "/usr/lib/wall.so\n")

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
                env={
                    **os.environ,
                    "GROUPS_OF_HOST": " ".join(map(str, self._groups)),
                    "LOWER": str(self._root),
                    "DISK": self._disk,
                },
                start_new_session=True,
            )  # fmt: skip
        pid = self._process.pid
        eventually(lambda: namespace_of(pid) != namespace_of("self"), 5, f"{self.name} has its namespace")
        if self._with_cable:
            self.cable = self.network.lay_cable(self.number, pid)
        else:
            self.network.plug_in(self.number, pid)
        assert self._process.stdin is not None
        self._process.stdin.write(b"go\n")
        self._process.stdin.close()
        self.power_on()

    def _has_booted(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"its shell has ended: {self._console()}"
        return bool(self.init()) and self.run("systemctl", "is-system-running").stdout.strip() in (
            "running",
            "degraded",
        )

    def _console(self) -> str:
        return (self.folder / "console").read_text("utf-8", "replace")[-2000:]

    def destroy(self) -> None:
        """Switch it off and remove every trace."""
        if self._process is not None:
            if self.init():
                self.power_off()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            if self._process.stdin is not None:
                self._process.stdin.close()
        if self.cable is not None:
            self.cable.close()
        self.network.unplug(self.number)
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
