"""A real ZooKeeper with a port for TLS, and the CA behind it: `need`s a client's certificate unless told otherwise."""

import shutil
from pathlib import Path
from typing import Any

from tests.servers.authority import LOOPBACK_NAMES, Authority
from tests.servers.guardian import scratch_folder
from tests.servers.zookeeper import Tls, ZooKeeper


class SecureZooKeeper(ZooKeeper):
    """`names` and `days` are those of its certificate; `cert` and `key` are a client's that it accepts."""

    def __init__(
        self, *, client_auth: str = "need", names: str = LOOPBACK_NAMES, days: int = 2, **options: Any
    ) -> None:
        self._papers = scratch_folder("authority")
        self.authority = Authority(self._papers / "ca")
        self.ca: Path = self.authority.path
        self.cert, self.key = self.authority.issue("failoverd")
        cert, key = self.authority.issue("server", names, days)
        super().__init__(tls=Tls(self.ca, cert, key, client_auth), **options)

    def stranger(self) -> Authority:
        """Another CA, which this server knows nothing of."""
        return Authority(self._papers / "stranger")

    def destroy(self) -> None:
        super().destroy()
        shutil.rmtree(self._papers, ignore_errors=True)
