"""A real standalone ZooKeeper from Debian's jars, on a loopback port, its data in memory, and one for TLS if wanted.

Followed: ZooKeeper Administrator's Guide 3.8. It knows no client library.
"""

import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers.guardian import scratch_folder
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.process import ServerProcess, ServerStartError
from tests.servers.wait import eventually
from tests.servers.zookeeper_wire import ask, close_session, mode_in

_JARS = Path("/usr/share/java")
_CLASSPATH = [_JARS / "zookeeper.jar", _JARS / "slf4j-simple.jar"]
_NETTY_PARTS = ("buffer", "codec", "common", "handler", "resolver", "transport")
_CLASSPATH += [_JARS / f"netty-{part}.jar" for part in _NETTY_PARTS]  # Debian: libnetty-java, which zookeeper needs
_SMALL_AND_QUICK = ["-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"]
_WARNINGS_ONLY = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
_MAIN = "org.apache.zookeeper.server.quorum.QuorumPeerMain"


def missing() -> list[str]:
    """What a ZooKeeper needs and this machine has not, in words; empty when it can be started."""
    gone = [] if shutil.which("java") else ["`java` on the PATH (Debian: default-jre-headless)"]
    if not _CLASSPATH[0].exists():
        gone.append(f"{_CLASSPATH[0]} (Debian: zookeeper)")
    return gone


def java_command(settings: Path) -> list[str]:
    """What runs a server with these settings, small and quick."""
    java = shutil.which("java") or "java"
    return [java, *_SMALL_AND_QUICK, _WARNINGS_ONLY, "-cp", ":".join(map(str, _CLASSPATH)), _MAIN, str(settings)]


@dataclass(frozen=True)
class Tls:
    """PEM files of a server. `client_auth`: whether clients must show a certificate of that CA; none, want or need."""

    ca: Path
    cert: Path
    key: Path
    client_auth: str = "need"


class ZooKeeper:
    """One server. Its ports and its data stay the same from start to start, until `destroy`.

    `settings` are further lines of zoo.cfg; `server_id` is the number of a member of an ensemble. With `tls` it has
    a second port, for TLS; the first one stays for four-letter words, and for whoever looks behind the scenes.
    """

    def __init__(
        self,
        *,
        tick_time_ms: int = 200,
        min_session_timeout_ms: int = 400,
        max_session_timeout_ms: int = 40_000,
        settings: Mapping[str, str] | None = None,
        server_id: int | None = None,
        tls: Tls | None = None,
    ) -> None:
        self.port = free_port()
        self.tls_port = free_port() if tls is not None else 0
        self.server_id = server_id
        self.folder = scratch_folder("zookeeper")
        self._settings = {
            "tickTime": str(tick_time_ms),
            "minSessionTimeout": str(min_session_timeout_ms),
            "maxSessionTimeout": str(max_session_timeout_ms),
            "dataDir": str(self.folder / "data"),
            "clientPort": str(self.port),
            "clientPortAddress": LOOPBACK,
            "admin.enableServer": "false",
            "4lw.commands.whitelist": "*",
            "maxClientCnxns": "0",
            "preAllocSize": "256",  # KiB; at the default every server's log takes 64 MiB of memory
            **(self._tls_settings(tls) if tls is not None else {}),
            **(settings or {}),
        }
        self._write_files()
        self._process = ServerProcess(java_command(self.folder / "zoo.cfg"), self.folder / "output")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.destroy()

    @property
    def hosts(self) -> str:
        """What a client connects to: `127.0.0.1:port`."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def tls_hosts(self) -> str:
        """What a client connects to by TLS."""
        return f"{LOOPBACK}:{self.tls_port}"

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid

    def start(self, within_s: float = 20.0) -> None:
        """Start and wait until it serves; ServerStartError otherwise."""
        self.launch()
        self.wait_until_serving(within_s)

    def launch(self) -> None:
        """Start without waiting: members of an ensemble serve only together."""
        self._process.start()

    def wait_until_serving(self, within_s: float = 20.0) -> None:
        """Wait for an answer to `srvr` that names a mode; ServerStartError otherwise."""
        try:
            eventually(self._serves_or_ended, within_s, f"ZooKeeper serves at {self.hosts}")
        except AssertionError as late:
            raise ServerStartError(f"{late}\n{self._process.last_output()}") from None
        if not self._process.running:
            raise ServerStartError(f"ZooKeeper ended at its start:\n{self._process.last_output()}")

    def stop(self) -> None:
        """SIGTERM, and wait for the end."""
        self._process.stop()

    def kill(self) -> None:
        """SIGKILL: clients see their connections reset."""
        self._process.kill()

    def restart(self) -> None:
        """Stop, and start again; sessions are kept, each for its time-out."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """SIGSTOP: connections stay, the kernel takes new ones, nothing answers."""
        self._process.pause()

    def resume(self) -> None:
        """SIGCONT. Sessions whose time-out passed meanwhile expire now."""
        self._process.resume()

    def destroy(self) -> None:
        """Kill and remove the data: the server is over."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, word: str) -> str:
        """The answer to a four-letter word (`srvr`, `cons`, `dump`, …), '' when there is none."""
        return ask(self.port, word)

    def mode(self) -> str:
        """`standalone`, `leader`, `follower`, or '' when it does not serve."""
        return mode_in(self.ask("srvr"))

    def expire_session(self, session_id: int, password: bytes, within_s: float = 5.0) -> None:
        """End a client's session from the server's side, at once; its ephemerals go.

        A second client attaches with the same id and password and closes the session. The server
        drops the first client's connection; when that client comes back, it is told that its
        session has expired.
        """
        eventually(
            lambda: close_session(self.port, session_id, password),
            within_s,
            f"session 0x{session_id:x} is closed at {self.hosts}",
        )

    def _tls_settings(self, tls: Tls) -> dict[str, str]:
        keys = self.folder / "server.pem"
        keys.write_text(tls.key.read_text() + tls.cert.read_text())
        return {
            "serverCnxnFactory": "org.apache.zookeeper.server.NettyServerCnxnFactory",
            "secureClientPort": str(self.tls_port),
            "secureClientPortAddress": LOOPBACK,
            "ssl.keyStore.location": str(keys),
            "ssl.trustStore.location": str(tls.ca),
            "ssl.clientAuth": tls.client_auth,
        }

    def _serves_or_ended(self) -> bool:
        return not self._process.running or (self.mode() != "" and self._takes_tls())

    def _takes_tls(self) -> bool:
        """Its second port opens a moment after the first."""
        if not self.tls_port:
            return True
        with socket.socket() as trial:
            return trial.connect_ex((LOOPBACK, self.tls_port)) == 0

    def _write_files(self) -> None:
        (self.folder / "data").mkdir()
        if self.server_id is not None:
            (self.folder / "data" / "myid").write_text(f"{self.server_id}\n", encoding="ascii")
        lines = "".join(f"{name}={value}\n" for name, value in self._settings.items())
        (self.folder / "zoo.cfg").write_text(lines, encoding="ascii")
