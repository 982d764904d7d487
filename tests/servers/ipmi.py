"""A BMC: OpenIPMI's `ipmi_sim` on a loopback port, whose power switch kills the real processes of a "host".

Followed: ipmi_sim_lancfg(5), and `chassis_control`, which it does not tell of. Knows neither agents nor failoverd.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers.guardian import scratch_folder
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.process import ServerProcess, ServerStartError
from tests.servers.wait import eventually

USER, PASSWORD = "fencer", "s3cr3t-0f-the-BMC"

_LAN = """\
name "host"
set_working_mc 0x20
  startlan 1
    addr {address} {port}
    priv_limit admin
    allowed_auths_callback none md2 md5 straight
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid a123456789abcdefa123456789abcdef
  endlan
  chassis_control "{folder}/chassis 0x20"
  user 2 true "{user}" "{password}" admin 10 none md2 md5 straight
"""
_EMULATED = """\
mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
sel_enable 0x20 1000 0x0a
mc_enable 0x20
"""
_CHASSIS = """\
#!/bin/sh
# `0x20 get power` asks, `0x20 set power 0` takes it: the processes named in the files of `pids` end, with their groups.
cd {folder} || exit 1
echo "$2 $3 $4" >> asked
[ -e delay ] && sleep "$(cat delay)"
case "$2 $3 $4" in
    "get power ") [ -e off ] && echo power:0 || echo power:1 ;;
    "set power 0")
        [ -e stuck ] && exit 0
        for file in $(cat pids); do
            pid=$(cat "$file" 2>/dev/null) || continue
            kill -9 -- "-$pid" 2>/dev/null
            kill -9 "$pid" 2>/dev/null
        done
        touch off ;;
    "set power 1") rm -f off ;;
esac
exit 0
"""


def missing() -> list[str]:
    """What is needed to have a BMC and to speak to it, and is not on this machine, in words."""
    wanted = {"ipmi_sim": "openipmi", "ipmitool": "ipmitool", "/usr/sbin/fence_ipmilan": "fence-agents"}
    return [f"`{program}` (Debian: {package})" for program, package in wanted.items() if not shutil.which(program)]


class Bmc:
    """One BMC. `pids`: files that hold the pids of what has its power from it; each may lead a process group.

    `chassis`: a script to run instead, called with `0x20`, `get` or `set`, `power`, and `0` or `1`.
    """

    def __init__(self, pids: Iterable[Path] = (), address: str = LOOPBACK, chassis: str = _CHASSIS) -> None:
        self.address = address
        self.port = free_port()
        self.folder = scratch_folder("bmc")
        (self.folder / "state").mkdir()
        self.feed(pids)
        lan = _LAN.format(address=address, port=self.port, folder=self.folder, user=USER, password=PASSWORD)
        (self.folder / "lan.conf").write_text(lan)
        (self.folder / "sim.emu").write_text(_EMULATED)
        (self.folder / "chassis").write_text(chassis.format(folder=self.folder))
        (self.folder / "chassis").chmod(0o755)
        command = ["ipmi_sim", "-c", "lan.conf", "-f", "sim.emu", "-s", str(self.folder / "state"), "-n"]
        self._process = ServerProcess(command, self.folder / "output")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.destroy()

    def start(self) -> None:
        """Start it, and wait until it listens; ServerStartError otherwise."""
        self._process.start()
        try:
            eventually(lambda: self._listens() or not self._process.running, 5, "the BMC listens")
        except AssertionError as late:
            raise ServerStartError(f"{late}\n{self._process.last_output()}") from None
        if not self._process.running:
            raise ServerStartError(f"ipmi_sim ended at its start:\n{self._process.last_output()}")

    def feed(self, pids: Iterable[Path]) -> None:
        """Say what has its power from it."""
        (self.folder / "pids").write_text("\n".join(map(str, pids)))

    def pause(self) -> None:
        """Its port stays, nothing answers."""
        self._process.pause()

    def resume(self) -> None:
        self._process.resume()

    def stick(self) -> None:
        """From now on it takes the order to switch off, and does nothing."""
        (self.folder / "stuck").touch()

    def answer_after(self, seconds: float) -> None:
        """From now on every question of its power, and every order, takes this long."""
        (self.folder / "delay").write_text(str(seconds))

    def is_on(self) -> bool:
        """Whether the host has power."""
        return not (self.folder / "off").exists()

    def asked(self) -> list[str]:
        """What its chassis was asked and told, in order: `get power`, `set power 0`."""
        path = self.folder / "asked"
        return [line.strip() for line in path.read_text().splitlines()] if path.exists() else []

    def destroy(self) -> None:
        self._process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _listens(self) -> bool:
        wanted = f":{self.port:04X}"
        return any(line.split()[1].endswith(wanted) for line in Path("/proc/net/udp").read_text().splitlines()[1:])
