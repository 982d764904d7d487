"""`kind: tcp`: the service is well when a TCP connection can be made. Nothing is sent."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

from failover.core.values import Health
from failover.ports.service import Finding
from failover.support.reasons import reason_of
from healthcheck.asking import AskingProbe
from healthcheck.timing import Timing


class TcpProbe(AskingProbe):
    """Connects to `host`:`port` and hangs up."""

    def __init__(self, host: str, port: int, timing: Timing) -> None:
        super().__init__(f"tcp {host}:{port}", timing)
        self._host = host
        self._port = port

    async def check(self) -> Finding:
        """HEALTHY when connected, else NOT_RESPONDING."""
        try:
            family, address = await self._address()
            with socket.socket(family, socket.SOCK_STREAM) as connection:
                connection.setblocking(False)
                await asyncio.get_running_loop().sock_connect(connection, address)
                if is_itself(connection):
                    return Finding(Health.NOT_RESPONDING, "nobody listens")
        except OSError as error:
            return Finding(Health.NOT_RESPONDING, reason_of(error))
        return Finding(Health.HEALTHY, "connected")

    async def _address(self) -> tuple[socket.AddressFamily, tuple[object, ...]]:
        """Numbers are taken as they are; only names need the resolver, which takes a thread."""
        try:
            version = ipaddress.ip_address(self._host).version
        except ValueError:
            found = await asyncio.get_running_loop().getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
            return found[0][0], found[0][4]
        return (socket.AF_INET6 if version == 6 else socket.AF_INET), (self._host, self._port)


def is_itself(connection: socket.socket) -> bool:
    """With nobody listening, the kernel may pick the wanted port as our own, and connect us to ourselves."""
    return bool(connection.getsockname() == connection.getpeername())
