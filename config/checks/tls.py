"""The files of TLS: told before a night on which a connection must be made with them.

Knows neither handshakes nor names: whom a server's certificate is for shows only when it is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from config.addresses import split_address
from config.draft import Draft
from config.files import FileUnusableError
from config.models import ZooKeeperSettings
from config.models.tls import ApiTlsSettings, StoreTlsSettings
from config.problems import Finding, KeyPath

_STORE: KeyPath = ("store", "tls")
_API: KeyPath = ("api", "tls")


def tls_findings(draft: Draft) -> Iterator[Finding]:
    """Find files that cannot be used."""
    store = draft.store
    if draft.files and isinstance(store, ZooKeeperSettings) and store.tls is not None:
        yield from _files(store.tls, _STORE)
    if draft.files and draft.api is not None and draft.api.tls is not None:
        found = list(_files(draft.api.tls, _API))
        yield from found or _shown(draft.api.tls, split_address(draft.api.advertise)[0])


def _shown(tls: ApiTlsSettings, host: str) -> Iterator[Finding]:
    """As a peer will see it: the certificate names us, and the CA that all are checked with has signed it.

    A warning: a controller that did not start for that could not carry on with an active service.
    """
    from config.tls_rehearsal import rehearse

    if tls.client_ca is not None:
        from config.tls_files import check_ca

        client_ca = str(tls.client_ca)
        yield from _finding((*_API, "client_ca"), lambda: check_ca(client_ca))
    password = tls.key_password.reveal() if tls.key_password is not None else None
    refused = rehearse(str(tls.cert), str(tls.key), password, str(tls.ca), host)
    if refused:
        message = f"peers would not believe it at {host} (api.advertise): {refused}"
        hint = "make one that ca has signed, and that names that host"
        yield Finding((*_API, "cert"), message, hint, severity="warning")


def _files(tls: StoreTlsSettings | ApiTlsSettings, path: KeyPath) -> Iterator[Finding]:
    """Loaded only where the files are named: idle memory counts."""
    from config.tls_files import check_ca, check_cert, check_key

    yield from _finding((*path, "ca"), lambda: check_ca(str(tls.ca)))
    if tls.cert is None or tls.key is None:
        return
    cert, key = str(tls.cert), str(tls.key)
    password = tls.key_password.reveal() if tls.key_password is not None else None
    yield from _finding((*path, "cert"), lambda: check_cert(cert))
    yield from _finding((*path, "key"), lambda: check_key(key, cert, password))


def _finding(path: KeyPath, check: Callable[[], None]) -> Iterator[Finding]:
    try:
        check()
    except FileUnusableError as error:
        mild = error.unseen or (error.dated and path[:2] == _API)
        yield Finding(path, str(error), error.hint, severity="warning" if mild else "error")
