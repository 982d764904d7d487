"""https: the handshake with whoever comes, counted and bounded, and the certificate that this controller shows.

asyncio's own TLS server would count nobody before the handshake is over, and wait a minute for it: silent clients could
take all file descriptors of a process that must not fail. Knows nothing of what is asked.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from asyncio.sslproto import SSLProtocol
from typing import Any

from failover.api.access import CERTIFICATE_KEY
from failover.api.protocol import MOST_CONNECTIONS, BoundedProtocol
from failover.support.tls import TlsFiles, TlsFilesError, server_context

HANDSHAKE_S = 5
GOODBYE_S = 1
TURNS_TO_END = 5
_log = logging.getLogger("failover.api")


class Door:
    """The TLS that is spoken with clients, and the connections that stand. Renewed files count from the next one on."""

    def __init__(self, files: TlsFiles) -> None:
        """Raises TlsFilesError."""
        self._files = files
        self._seen = self._look()
        self._context = server_context(files)
        self.open: set[Handshake] = set()

    def context(self) -> ssl.SSLContext:
        """Of the files as they are now; the last ones that could be used, while new ones are being put there."""
        seen = self._look()
        if seen != self._seen:
            self._seen = seen
            try:
                self._context = server_context(self._files)
            except TlsFilesError as error:
                _log.warning("the files of api.tls cannot be used, so the last ones are: %s", error)
        return self._context

    def protocol(self, **given: Any) -> Handshake:
        """What uvicorn makes for each client that comes."""
        return Handshake(self, TlsProtocol(**given))

    async def close(self) -> None:
        """End what is still in its handshake, or in its goodbye; asyncio needs a few turns for each end."""
        for one in list(self.open):
            one.end()
        for _ in range(TURNS_TO_END):
            await asyncio.sleep(0)

    def _look(self) -> list[tuple[int, int, int]]:
        found = []
        for path in (self._files.ca, self._files.cert, self._files.key):
            try:
                status = os.stat(path) if path else None
            except OSError:
                status = None
            found.append((status.st_ino, status.st_mtime_ns, status.st_size) if status else (0, 0, 0))
        return found


class Handshake(SSLProtocol):
    """One client, from its first byte on."""

    def __init__(self, door: Door, inner: BoundedProtocol) -> None:
        super().__init__(
            asyncio.get_running_loop(),
            inner,
            door.context(),
            None,  # type: ignore[arg-type] # nobody waits for it: the inner protocol hears of it
            server_side=True,
            ssl_handshake_timeout=HANDSHAKE_S,
            ssl_shutdown_timeout=GOODBYE_S,
        )
        self._door = door
        self._raw: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come."""
        self._raw = transport
        if len(self._door.open) >= MOST_CONNECTIONS:
            transport.abort()
            return
        self._door.open.add(self)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """The client has gone."""
        self._door.open.discard(self)
        super().connection_lost(exc)

    def end(self) -> None:
        """At once, without a goodbye."""
        if self._raw is not None:
            self._raw.abort()


class TlsProtocol(BoundedProtocol):
    """One client whose handshake is over; its certificate, if it showed one that was accepted, says who it is."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The handshake is over."""
        super().connection_made(transport)
        name = common_name(transport.get_extra_info("peercert"))
        if name:
            self.app_state = {**self.app_state, CERTIFICATE_KEY: name}


def common_name(certificate: Any) -> str:
    """The one CN of a certificate as `ssl` gives it; "" where there is none, or more than one."""
    names = [value for part in (certificate or {}).get("subject", ()) for key, value in part if key == "commonName"]
    return str(names[0]) if len(names) == 1 else ""
