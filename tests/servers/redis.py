"""A real redis-server on a loopback port, and just enough of its protocol (RESP 2) to talk to it.

It does not know who replicates whom; a test says so with `REPLICAOF`.
"""

import shutil
import socket
from collections.abc import Mapping
from io import BufferedReader
from types import TracebackType
from typing import Self, TypeAlias

from tests.servers.guardian import scratch_folder
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.process import ServerProcess, ServerStartError
from tests.servers.wait import eventually

Reply: TypeAlias = "str | int | list[Reply] | None"

_ANSWER_S = 2.0


def missing() -> list[str]:
    """What a Redis needs and this machine has not, in words; empty when it can be started."""
    return [] if shutil.which("redis-server") else ["`redis-server` on the PATH (Debian: redis-server)"]


class RedisError(Exception):
    """Redis answered with an error; the message is its own."""


class Redis:
    """One server. Port and folder stay the same from start to start, until `destroy`.

    `settings` are further lines of redis.conf. Data outlives a restart only with `appendonly: yes`.
    """

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        self.port = free_port()
        self.folder = scratch_folder("redis")
        lines = {
            "bind": LOOPBACK,
            "port": str(self.port),
            "dir": str(self.folder),
            "save": '""',
            "appendonly": "no",
            "loglevel": "warning",
            "repl-diskless-sync-delay": "0",  # at the default a replica waits 5 s
            **(settings or {}),
        }
        config = self.folder / "redis.conf"
        config.write_text("".join(f"{name} {value}\n" for name, value in lines.items()), "ascii")
        self._process = ServerProcess(["redis-server", str(config)], self.folder / "output")

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
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid

    def start(self, within_s: float = 10.0) -> None:
        """Start and wait until it answers; ServerStartError otherwise."""
        self._process.start()
        try:
            eventually(self._answers_or_ended, within_s, f"Redis answers at port {self.port}")
        except AssertionError as late:
            raise ServerStartError(f"{late}\n{self._process.last_output()}") from None
        if not self._process.running:
            raise ServerStartError(f"Redis ended at its start:\n{self._process.last_output()}")

    def stop(self) -> None:
        """SIGTERM, and wait for the end."""
        self._process.stop()

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()

    def restart(self) -> None:
        """Stop, and start on the same port."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """SIGSTOP: connections stay, nothing answers."""
        self._process.pause()

    def resume(self) -> None:
        """SIGCONT."""
        self._process.resume()

    def destroy(self) -> None:
        """Kill and remove the folder: the server is over."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def command(self, *words: str) -> Reply:
        """One command on a connection of its own; RedisError, or OSError if unreachable."""
        return ask(self.port, words)[0]

    def info(self, section: str) -> dict[str, str]:
        """A section of INFO, such as `replication` with its `role` and `master_link_status`."""
        lines = str(self.command("INFO", section)).splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def _answers_or_ended(self) -> bool:
        if not self._process.running:
            return True
        try:
            return self.command("PING") == "PONG"
        except (OSError, RedisError):
            return False


def ask(port: int, *commands: tuple[str, ...]) -> list[Reply]:
    """Commands on one connection (WAIT speaks of its own connection's writes only); as `Redis.command`."""
    with Connection(port) as connection:
        return [connection.ask(*words) for words in commands]


class Connection:
    """One connection that stays open from command to command; as a context manager. Raises as `Redis.command`."""

    def __init__(self, port: int, host: str = LOOPBACK, answer_s: float = _ANSWER_S) -> None:
        self._socket = socket.create_connection((host, port), timeout=answer_s)
        self._answers = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def ask(self, *words: str) -> Reply:
        """One command's answer."""
        self._socket.sendall(_encoded(words))
        return _reply(self._answers)

    def close(self) -> None:
        self._answers.close()
        self._socket.close()


def _encoded(words: tuple[str, ...]) -> bytes:
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        data = word.encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


def _reply(answer: BufferedReader) -> Reply:
    line = answer.readline().removesuffix(b"\r\n").decode()
    if not line:
        raise ConnectionError("Redis closed the connection without an answer")
    kind, rest = line[0], line[1:]
    if kind == "-":
        raise RedisError(rest)
    if kind == ":":
        return int(rest)
    if kind == "$":
        return _text(answer, int(rest))
    if kind == "*":
        return None if rest == "-1" else [_reply(answer) for _ in range(int(rest))]
    return rest


def _text(answer: BufferedReader, size: int) -> str | None:
    return None if size < 0 else answer.read(size + 2)[:-2].decode()
