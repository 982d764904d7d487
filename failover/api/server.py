"""Runs the application inside the controller's own event loop: on a TCP address and on a Unix socket.

Installs no signal handler, runs no timer while idle, logs through `logging` only. Knows no endpoint.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import os
import socket
import stat
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import uvicorn
from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.lifespan.off import LifespanOff

from failover.api.access import LOCAL_KEY
from failover.api.protocol import BoundedProtocol, LocalProtocol
from failover.support.tls import TlsFiles, TlsFilesError

if TYPE_CHECKING:
    from failover.api.handshake import Door

BACKLOG = 128
KEEP_ALIVE_S = 5
STOP_S = 2
LARGEST_HEAD_BYTES = 32 * 1024
_SILENT_PEER_MS = 30_000  # a peer that acknowledges nothing for so long is gone


class ListenError(Exception):
    """The API cannot listen where it was told to; the text says why and what to do."""


class ApiServer:
    """One application on `listen` (host:port; port 0: any free one) and on a Unix socket (mode 0600)."""

    def __init__(self, app: FastAPI, listen: str, unix_path: Path | None, tls: TlsFiles | None = None) -> None:
        """`tls`: on TCP https is spoken, and nothing else."""
        self._app = app
        self._tls = tls
        self._door: Door | None = None
        self._listen = listen
        self._unix_path = unix_path
        self._running: list[uvicorn.Server] = []
        self.address: tuple[str, int] | None = None

    async def start(self) -> None:
        """Listen. Raises ListenError when an address is taken or cannot be had; nothing is left open then."""
        try:
            protocol = self._tcp_protocol()
            tcp = await _bind_tcp(self._listen)
            self.address = tcp.getsockname()[:2]
            await self._serve(tcp, _dated(self._app), protocol)
            if self._unix_path is not None:
                unix = _bind_unix(self._unix_path)
                await self._serve(unix, _local(_dated(self._app)), LocalProtocol)
        except ListenError:
            await self.stop()
            raise

    def _tcp_protocol(self) -> Callable[..., asyncio.BaseProtocol]:
        if self._tls is None:
            return BoundedProtocol
        from failover.api.handshake import Door  # only where it is used: idle memory counts

        try:
            self._door = Door(self._tls)
        except TlsFilesError as error:
            raise ListenError(f"api.tls: {error}; failoverctl check-config has more") from None
        return self._door.protocol

    async def stop(self) -> None:
        """End streams and connections, within about STOP_S seconds, and remove the Unix socket."""
        self._app.state.front.closing.set()
        running, self._running = self._running, []
        await asyncio.gather(*(server.shutdown() for server in running))
        if self._door is not None:
            await self._door.close()
        if self._unix_path is not None and len(running) > 1:
            with contextlib.suppress(FileNotFoundError):
                self._unix_path.unlink()

    async def _serve(self, listener: socket.socket, app: ASGIApp, protocol: Callable[..., Any]) -> None:
        config = uvicorn.Config(
            app,
            loop="none",
            http=protocol,  # type: ignore[arg-type] # made by being called, whatever it is
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=STOP_S,
            h11_max_incomplete_event_size=LARGEST_HEAD_BYTES,
        )
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = LifespanOff(config)
        # Not `serve`: that installs signal handlers and wakes up ten times a second for as long as it runs.
        await server.startup(sockets=[listener])
        self._running.append(server)


def _dated(app: FastAPI) -> ASGIApp:
    """Adds the Date header, which uvicorn would keep by a timer."""

    async def dated(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                headers.setdefault("Date", formatdate(usegmt=True))
            await send(message)

        await app(scope, receive, send_dated)

    return dated


def _local(app: ASGIApp) -> ASGIApp:
    """Marks what came by the Unix socket. Only this wrapper sets the mark: TCP goes another way."""

    async def local(scope: Scope, receive: Receive, send: Send) -> None:
        name, _ = scope.get("client") or ("local user", 0)
        await app({**scope, LOCAL_KEY: name}, receive, send)

    return local


async def _bind_tcp(listen: str) -> socket.socket:
    family, address = await _resolve(listen)
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENT_PEER_MS)
        listener.bind(address)
        listener.listen(BACKLOG)  # here, not later: only listen() tells that another holds the port
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise ListenError(_tcp_failed(listen, address[1], error)) from None
    return listener


async def _resolve(listen: str) -> tuple[int, tuple[str, int]]:
    host, _, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not port.isdecimal() or int(port) > 65535 or not host:
        raise ListenError(f"api.listen {listen!r} is not host:port; write 127.0.0.1:8300, say")
    with contextlib.suppress(ValueError):
        version = ipaddress.ip_address(host).version
        return (socket.AF_INET6 if version == 6 else socket.AF_INET), (host, int(port))
    try:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ListenError(f"api.listen {listen}: {host} is not a known host ({error.strerror})") from None
    return found[0][0], cast(tuple[str, int], found[0][4][:2])


def _tcp_failed(listen: str, port: int, error: OSError) -> str:
    advice = {
        errno.EADDRINUSE: f"another program has the port (ss -ltnp 'sport = :{port}'): stop it, "
        "or write another api.listen",
        errno.EADDRNOTAVAIL: "this host does not have the address: write one of `ip address` as api.listen",
        errno.EACCES: "ports below 1024 are for root: write a higher one as api.listen",
    }.get(error.errno or 0, "write another api.listen")
    return f"cannot listen on {listen}: {error.strerror}; {advice}"


def _bind_unix(path: Path) -> socket.socket:
    _remove_dead(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Linux gives the file the socket's own mode: there is no moment at which others could connect.
        os.fchmod(listener.fileno(), 0o600)
        listener.bind(str(path))
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise ListenError(f"cannot make the socket {path}: {error.strerror or error}; look at state_dir") from None
    return listener


def _remove_dead(path: Path) -> None:
    """Remove a predecessor's socket. Raises ListenError when somebody still answers there (S9)."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ListenError(f"{path} is there and is not a socket: move it away")
    except (FileNotFoundError, NotADirectoryError):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            raise ListenError(f"cannot look at the socket {path}: {error.strerror or error}") from None
    raise ListenError(f"another controller answers at {path}: one per service and host (S9)")
