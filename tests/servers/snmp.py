"""A power distribution unit of the "ApcMS" kind: the real snmpsim on a loopback port, with eight outlets.

An outlet's power is that of the real processes which it is told of. Knows neither agents nor failoverd. Followed:
PowerNet-MIB, as `fence_apc_snmp` uses it.
"""

import importlib.util
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers.guardian import scratch_folder
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.process import ServerProcess, ServerStartError
from tests.servers.wait import eventually

COMMUNITY = "pr1vate-0f-the-PDU"
OUTLETS = 8
_PDU = "1.3.6.1.4.1.318.1.1.4.4.2.1"
# As root it would become somebody else, who may not read the scratch folder.
_RUN = """
import contextlib, sys
from snmpsim import daemon
daemon.PrivilegesOf = lambda *_, **__: contextlib.nullcontext()
from snmpsim.commands.responder import main
sys.exit(main())
"""


def missing() -> list[str]:
    """What is needed to have such a unit and to speak to it, and is not on this machine, in words."""
    gone = [] if importlib.util.find_spec("snmpsim") else ["snmpsim (make setup)"]
    wanted = {"snmpget": "snmp", "/usr/sbin/fence_apc_snmp": "fence-agents"}
    return gone + [f"`{program}` (Debian: {name})" for program, name in wanted.items() if not shutil.which(program)]


class Pdu:
    """Outlets 1 to 8, all on, each named `node-N`."""

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = scratch_folder("pdu")
        self._outlets = self.folder / "outlets"
        for name in ("data", "cache", "outlets"):
            (self.folder / name).mkdir()
        numbers = range(1, OUTLETS + 1)
        rows = ["1.3.6.1.2.1.1.1.0|4|APC", "1.3.6.1.2.1.1.2.0|6|1.3.6.1.4.1.318.1.3.4.9"]
        rows += [f"{_PDU}.3.{number}|2:outlet|{number}" for number in numbers]
        rows += [f"{_PDU}.4.{number}|4|node-{number}" for number in numbers]
        rows += [f"{_PDU}.5.1|2|1"]  # without a neighbour, `list` would take an error for the last name
        (self.folder / "data" / f"{COMMUNITY}.snmprec").write_text("\n".join(rows) + "\n")
        command = [
            *(sys.executable, "-W", "ignore", "-c", _RUN),
            f"--data-dir={self.folder}/data",
            f"--cache-dir={self.folder}/cache",
            f"--agent-udpv4-endpoint={LOOPBACK}:{self.port}",
            f"--variation-modules-dir={Path(__file__).with_name('snmp_outlets')}",
            f"--variation-module-options=outlet:{self._outlets}",
            "--logging-method=null",
        ]
        self._process = ServerProcess(command, self.folder / "output")

    def __enter__(self) -> Self:
        self._process.start()
        try:
            eventually(lambda: self._listens() or not self._process.running, 20, "the PDU listens")
        except AssertionError as late:
            raise ServerStartError(f"{late}\n{self._process.last_output()}") from None
        if not self._process.running:
            raise ServerStartError(f"snmpsim ended at its start:\n{self._process.last_output()}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def feed(self, outlet: int, pids: Iterable[Path]) -> None:
        """Say what has its power from that outlet: files that hold the pids."""
        (self._outlets / f"kills-{outlet}").write_text("\n".join(map(str, pids)))

    def stick(self) -> None:
        """From now on it takes every order, and does nothing."""
        (self._outlets / "stuck").touch()

    def answer_after(self, seconds: float) -> None:
        """From now on every question of an outlet, and every order, takes this long; one waits for the other."""
        (self._outlets / "delay").write_text(str(seconds))

    def pause(self) -> None:
        """Its port stays, nothing answers."""
        self._process.pause()

    def is_on(self, outlet: int) -> bool:
        """Whether that outlet has power."""
        return not (self._outlets / f"off-{outlet}").exists()

    def orders(self) -> list[str]:
        """What it was told, in order: `2 off`."""
        path = self._outlets / "orders"
        return path.read_text().splitlines() if path.exists() else []

    def _listens(self) -> bool:
        wanted = f":{self.port:04X}"
        return any(line.split()[1].endswith(wanted) for line in Path("/proc/net/udp").read_text().splitlines()[1:])
