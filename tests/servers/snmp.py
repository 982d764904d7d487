"""A power distribution unit of the "ApcMS" kind: the real snmpsim on a loopback port, with eight outlets.

Knows neither agents nor failoverd. Followed: PowerNet-MIB, as `fence_apc_snmp` uses it.
"""

import importlib.util
import shutil
import sys
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
        for name in ("data", "cache"):
            (self.folder / name).mkdir()
        numbers = range(1, OUTLETS + 1)
        rows = ["1.3.6.1.2.1.1.1.0|4|APC", "1.3.6.1.2.1.1.2.0|6|1.3.6.1.4.1.318.1.3.4.9"]
        rows += [f"{_PDU}.3.{number}|2:writecache|value=1" for number in numbers]
        rows += [f"{_PDU}.4.{number}|4|node-{number}" for number in numbers]
        rows += [f"{_PDU}.5.1|2|1"]  # without a neighbour, `list` would take an error for the last name
        (self.folder / "data" / f"{COMMUNITY}.snmprec").write_text("\n".join(rows) + "\n")
        spec = importlib.util.find_spec("snmpsim")
        package = Path(str(spec.origin)).parent if spec is not None else Path()
        command = [
            *(sys.executable, "-W", "ignore", "-c", _RUN),
            f"--data-dir={self.folder}/data",
            f"--cache-dir={self.folder}/cache",
            f"--agent-udpv4-endpoint={LOOPBACK}:{self.port}",
            f"--variation-modules-dir={package}/variation",
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

    def _listens(self) -> bool:
        wanted = f":{self.port:04X}"
        return any(line.split()[1].endswith(wanted) for line in Path("/proc/net/udp").read_text().splitlines()[1:])
