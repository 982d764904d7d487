"""How a server is dialled: TCP, then TLS where it is configured, both within one deadline; and why that failed.

The files are read anew for each connection, so that renewed certificates count from the next one on.
Deliberately unknown here: sessions, and what is said over the connection.
"""

from __future__ import annotations

import socket
import ssl
import time

from kazoo.exceptions import ConnectionDropped

from failover.stores.zookeeper.handler import log
from failover.support.reasons import reason_of
from failover.support.tls import TlsFiles, TlsFilesError, client_context, why_no_tls

ALERT = b"\x15\x03"  # how an answer in TLS begins that refuses what it has been sent


class Dialler:
    """Makes connections. `tls` None: in the clear. kazoo's own TLS checks no name and trusts the system's CAs too."""

    def __init__(self, tls: TlsFiles | None) -> None:
        self.tls = tls
        self._context: ssl.SSLContext | None = None

    def dial(self, address: tuple[str, int], name: str, within_s: float) -> socket.socket:
        """A connection to `address`, whose certificate must be for `name`. Raises ConnectionDropped with the reason."""
        deadline_s = time.monotonic() + within_s
        context = self._fresh() if self.tls is not None else None
        try:
            connection = socket.create_connection(address, within_s)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except TimeoutError:
            raise ConnectionDropped(f"no connection within {within_s:.2g} s") from None
        except OSError as error:
            raise ConnectionDropped(f"no connection: {reason_of(error)}") from None
        return connection if context is None else self._shake_hands(context, connection, name, deadline_s)

    def _shake_hands(
        self, context: ssl.SSLContext, connection: socket.socket, name: str, deadline_s: float
    ) -> socket.socket:
        connection.settimeout(max(0.001, deadline_s - time.monotonic()))  # of the whole handshake
        try:
            return context.wrap_socket(connection, server_hostname=name)
        except OSError as error:
            connection.close()
            raise ConnectionDropped(self.explained(error)) from None
        except ValueError as error:
            connection.close()
            raise ConnectionDropped(f"{name!r} is no name that a certificate could have: {error}") from None

    def explained(self, error: OSError) -> str:
        """Words for an error of TLS."""
        return why_no_tls(error, self.tls is not None and bool(self.tls.cert))

    def _fresh(self) -> ssl.SSLContext:
        """Of the files as they are; the last ones that could be used, while new ones are being put there."""
        assert self.tls is not None
        try:
            self._context = client_context(self.tls)
        except TlsFilesError as error:
            if self._context is None:
                raise ConnectionDropped(str(error)) from None
            log.warning("the files of store.tls cannot be used, so the last ones are: %s", error)
        return self._context
