"""From configuration to the files of TLS, as each part takes them."""

from __future__ import annotations

from config.models import Config
from config.models.tls import StoreTlsSettings
from failover.support.tls import TlsFiles


def store_files(tls: StoreTlsSettings) -> TlsFiles:
    """Of the store's client."""
    password = tls.key_password.reveal() if tls.key_password else None
    return TlsFiles(str(tls.ca), str(tls.cert or ""), str(tls.key or ""), password)


def shown_files(config: Config) -> TlsFiles | None:
    """Of the API's server; None: no https. Their `ca` is the one of clients."""
    tls = config.api.tls
    if tls is None:
        return None
    password = tls.key_password.reveal() if tls.key_password else None
    return TlsFiles(str(tls.client_ca or ""), str(tls.cert), str(tls.key), password)


def peer_files(config: Config) -> TlsFiles | None:
    """By which other controllers are checked; None: they are asked in the clear."""
    return TlsFiles(str(config.api.tls.ca)) if config.api.tls is not None else None
