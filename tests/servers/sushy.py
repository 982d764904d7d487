"""A real sushy-emulator: a BMC with two systems, behind TLS and a password.

Knows neither Redfish's client nor fencing.
"""

import json
import shutil
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.servers.authority import Authority
from tests.servers.guardian import scratch_folder
from tests.servers.ports import free_port
from tests.servers.process import ServerProcess, ServerStartError
from tests.servers.wait import eventually

USER, PASSWORD = "fencer", "s3cr3t=pa ss"
SYSTEMS = {"node-a": "11111111-1111-4111-8111-111111111111", "node-b": "22222222-2222-4222-8222-222222222222"}


def missing() -> list[str]:
    """What is needed for it and is not on this machine, in words."""
    return [] if shutil.which("openssl") else ["`openssl` (Debian: openssl)"]


class Sushy:
    """The emulator. `delay`: seconds until a power change is seen, or `stuck`."""

    def __init__(self) -> None:
        import bcrypt

        self.folder = scratch_folder("sushy")
        self.authority = Authority(self.folder / "ca")
        self.ca = self.authority.path
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        cert, key = self.authority.issue("bmc")
        hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        (self.folder / "htpasswd").write_text(f"{USER}:{hashed}\n")
        (self.folder / "state").mkdir()
        systems = [
            {"uuid": uuid, "name": name, "power_state": "On", "external_notifier": False, "nics": []}
            for name, uuid in SYSTEMS.items()
        ]
        settings: dict[str, Any] = {
            "LISTEN_IP": "127.0.0.1",
            "LISTEN_PORT": self.port,
            "SSL_CERT": str(cert),
            "SSL_KEY": str(key),
            "AUTH_FILE": str(self.folder / "htpasswd"),
            "FAKE_DRIVER": True,
            "STATE_DIR": str(self.folder / "state"),
            "FAKE_SYSTEMS": systems,
        }
        lines = (f"SUSHY_EMULATOR_{name} = {value!r}\n" for name, value in settings.items())
        (self.folder / "emulator.conf").write_text("".join(lines))
        self.delay("0")
        program = str(Path(__file__).with_name("sushy_power.py"))
        variable = f"SUSHY_POWER_DIR={self.folder}"
        command = ["env", variable, sys.executable, program, "--config", str(self.folder / "emulator.conf")]
        self.process = ServerProcess(command, self.folder / "log")
        self._client = httpx.Client(
            base_url=f"https://{self.address}",
            auth=(USER, PASSWORD),
            verify=ssl.create_default_context(cafile=str(self.ca)),
            trust_env=False,
        )

    def start(self) -> None:
        self.process.start()
        eventually(self._answers, 20, f"sushy-emulator answers\n{self.process.last_output()}")

    def _answers(self) -> bool:
        if not self.process.running:
            raise ServerStartError(self.process.last_output())
        try:
            return self._client.get("/redfish/v1/Systems").status_code == 200
        except httpx.TransportError:
            return False

    def system(self, name: str) -> str:
        return f"/redfish/v1/Systems/{SYSTEMS[name]}"

    def delay(self, text: str) -> None:
        (self.folder / "delay").write_text(text)

    def kills(self, name: str, *pidfiles: Path) -> None:
        """The processes of these pid files lose power with the system."""
        (self.folder / f"{name}.kills").write_text("\n".join(map(str, pidfiles)))

    def power(self, name: str) -> str:
        return str(json.loads(self._client.get(self.system(name)).content)["PowerState"])

    def powers(self, name: str) -> list[str]:
        """Every change of its power so far. Asks first: only then does the emulator look whether a change is due."""
        self.power(name)
        path = self.folder / f"{name}.powers"
        return path.read_text().split() if path.exists() else []

    def order(self, name: str, reset: str) -> None:
        path = f"{self.system(name)}/Actions/ComputerSystem.Reset"
        self._client.post(path, json={"ResetType": reset}).raise_for_status()
        wanted = "Off" if "Off" in reset else "On"
        eventually(lambda: self.power(name) == wanted, 15, f"{name} is {wanted}")

    def reset(self) -> None:
        """Everything is On, and obeys at once."""
        self.process.resume()
        self.delay("0")
        for name in SYSTEMS:
            self.order(name, "On")

    def close(self) -> None:
        self._client.close()
        self.process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def sushy() -> Iterator[Sushy]:
    """A running emulator, gone afterwards."""
    made = Sushy()
    try:
        made.start()
        yield made
    finally:
        made.close()
