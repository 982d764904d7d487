"""From configuration to a store: the one place where controllers and commands open it alike, credentials and all.

Knows no session and no record.
"""

from __future__ import annotations

from config.models import Config
from config.timing import renewal_room_s
from failover.daemon.tls import store_files
from failover.stores import STORES, FormattableStore


def make_store(config: Config) -> FormattableStore:
    """The store that the configuration names; nothing is connected yet."""
    store = config.store
    if store.kind == "local":
        return STORES["local"](str(store.path), config.service)
    user = store.auth.user if store.auth else None
    password = store.auth.password.reveal() if store.auth else None
    tls = store_files(store.tls) if store.tls else None
    names = store.hosts, config.service, store.root
    return STORES["zookeeper"](*names, store.session_timeout, user, password, tls, lambda s: renewal_room_s(config, s))
