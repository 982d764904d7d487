"""From configuration to a store: the one place where controllers and commands open it alike, credentials and all.

Knows no session and no record.
"""

from __future__ import annotations

from config.models import Config
from config.models.tls import StoreTlsSettings
from failover.stores import STORES, FormattableStore
from failover.support.tls import TlsFiles


def make_store(config: Config) -> FormattableStore:
    """The store that the configuration names; nothing is connected yet."""
    store = config.store
    if store.kind == "local":
        return STORES["local"](str(store.path), config.service)
    user = store.auth.user if store.auth else None
    password = store.auth.password.reveal() if store.auth else None
    tls = _files(store.tls) if store.tls else None
    return STORES["zookeeper"](store.hosts, config.service, store.root, store.session_timeout, user, password, tls)


def _files(tls: StoreTlsSettings) -> TlsFiles:
    password = tls.key_password.reveal() if tls.key_password else None
    return TlsFiles(str(tls.ca), str(tls.cert or ""), str(tls.key or ""), password)
