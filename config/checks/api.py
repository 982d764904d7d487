"""Peers can reach what is advertised, and prove who they are.

Knows nothing of what the API offers.
"""

from collections.abc import Iterator

from config.addresses import is_loopback, is_wildcard, split_address
from config.draft import Draft
from config.models import ApiSettings
from config.problems import Finding, KeyPath

SHORTEST_SECRET = 16
_MAKE_ONE = "make one: openssl rand -hex 32"


def api_findings(draft: Draft) -> Iterator[Finding]:
    """Find addresses and secrets that would fail, or stand open, when they are needed."""
    if draft.api is None:
        return
    yield from _addresses(draft.api)
    yield from _asking(draft, draft.api)
    yield from _short_secrets(draft.api)


def _addresses(api: ApiSettings) -> Iterator[Finding]:
    if is_wildcard(split_address(api.advertise)[0]):
        message = f"nobody can reach {api.advertise}"
        yield Finding(("api", "advertise"), message, "write the address that peers use")
    clients = api.tls.clients if api.tls is not None else {}
    if api.tokens is None and not clients and not is_loopback(split_address(api.listen)[0]):
        message = "open to the network without tokens: every POST over TCP will be refused"
        hint = "set api.tokens, or give orders on this host only"
        yield Finding(("api", "listen"), message, hint, severity="warning")


def _asking(draft: Draft, api: ApiSettings) -> Iterator[Finding]:
    methods = draft.fencing.methods.items() if draft.fencing else ()
    asking = [name for name, method in methods if method.kind == "controller"]
    if not asking:
        return
    path: KeyPath = ("fencing", "methods", asking[0])
    if api.peer_secret is None:
        message = "kind controller needs api.peer_secret, which all controllers share"
        hint = "add under api: peer_secret: {file: /etc/failoverd/peer.secret}"
        yield Finding(path, message, hint, at_key=True)
    one_host = api.allow_loopback or draft.store is None or draft.store.kind == "local"
    if is_loopback(split_address(api.advertise)[0]) and not one_host:
        message = f"no peer can ask this controller: api.advertise, {api.advertise}, is this host only"
        hint = "give it an address of the network; for a trial on one host: api.allow_loopback: true"
        yield Finding(path, message, hint, at_key=True)


def _short_secrets(api: ApiSettings) -> Iterator[Finding]:
    for token in api.tokens.entries if api.tokens else ():
        if len(token.secret.reveal()) < SHORTEST_SECRET:
            message = f'the token of "{token.name}" is shorter than {SHORTEST_SECRET} characters'
            yield Finding(("api", "tokens"), message, _MAKE_ONE, severity="warning")
    secret = api.peer_secret
    if secret and secret.is_read and len(secret.reveal()) < SHORTEST_SECRET:
        message = f"shorter than {SHORTEST_SECRET} characters"
        yield Finding(("api", "peer_secret"), message, _MAKE_ONE)
