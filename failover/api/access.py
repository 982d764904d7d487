"""Who may do what: bearer tokens with roles (read < operate < admin), client certificates, or the local Unix socket.

Does not know where tokens are kept, nor who checks a certificate: (name, role, secret) and a checked name arrive.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from fastapi import Request

from failover.api.problems import ProblemError

LOCAL_KEY = "failover.local"  # set in the ASGI scope by the Unix socket's server only; no client can send it
CERTIFICATE_KEY = "failover.certificate"  # in the scope's state, by the TLS protocol, once the CA has vouched for it
_HOW_TO_CONFIGURE = (
    "write `api: {tokens: {file: /etc/failoverd/tokens}}` (lines of `name role token`, mode 0600) "
    "and restart the controller, or use failoverctl on the node itself, through its Unix socket"
)


class Access(IntEnum):
    """What a caller may do; each includes the ones before it."""

    READ = 1
    OPERATE = 2
    ADMIN = 3


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as logs and records name them."""

    name: str
    access: Access


class Tokens:
    """The tokens that are accepted. Only digests are kept, so that no dump of this process shows a token."""

    def __init__(self, entries: Iterable[tuple[str, str, str]] = (), clients: Mapping[str, str] | None = None) -> None:
        """Take (name, role, secret); role is read, operate or admin. Raises KeyError on another role.

        `clients`: the role of each name that a client's certificate may have.
        """
        self._clients = {
            name: Caller(f"{name} (certificate)", Access[role.upper()]) for name, role in (clients or {}).items()
        }
        self._callers = tuple((_digest(secret), Caller(name, Access[role.upper()])) for name, role, secret in entries)

    def __bool__(self) -> bool:
        return bool(self._callers or self._clients)

    def certified(self, name: str) -> Caller | None:
        """The caller with a certificate of this name."""
        return self._clients.get(name)

    def find(self, presented: str) -> Caller | None:
        """The caller with this token. Compares with every one, in constant time: nothing leaks by timing."""
        digest = _digest(presented)
        found = None
        for known, caller in self._callers:
            if hmac.compare_digest(known, digest):
                found = caller
        return found


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def authorize(request: Request, tokens: Tokens, least: Access) -> Caller:
    """The caller, who may do at least `least`. Raises ProblemError 401 or 403."""
    caller = _local(request) or _by_certificate(request, tokens) or _by_token(request, tokens)
    require(caller, least)
    return caller


def require(caller: Caller, least: Access) -> None:
    """Raises ProblemError 403 when the caller's role is too small."""
    if caller.access < least:
        raise ProblemError(
            403,
            "role-too-small",
            f"{caller.name} has the role {caller.access.name.lower()}; this needs {least.name.lower()}",
            f"use a token with the role {least.name.lower()}",
        )


def _local(request: Request) -> Caller | None:
    name = request.scope.get(LOCAL_KEY)
    return Caller(str(name), Access.ADMIN) if name else None


def _by_certificate(request: Request, tokens: Tokens) -> Caller | None:
    """A token that is sent goes first: whoever sends one wants to be that caller."""
    if "authorization" in request.headers:
        return None
    return tokens.certified(str(request.scope.get("state", {}).get(CERTIFICATE_KEY, "")))


def _by_token(request: Request, tokens: Tokens) -> Caller:
    if not tokens:
        raise ProblemError(403, "no-tokens", "no tokens are configured: orders over TCP are off", _HOW_TO_CONFIGURE)
    scheme, _, presented = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not presented.strip():
        name = request.scope.get("state", {}).get(CERTIFICATE_KEY)
        if name:
            raise _unauthorized(
                f"the certificate of {name} has no role here", f"add it to api.tls.clients: {name}: ROLE"
            )
        raise _unauthorized("an order needs a token", "send `Authorization: Bearer TOKEN`")
    caller = tokens.find(presented.strip())
    if caller is None:
        raise _unauthorized("the token is not known here", "compare it with the controller's file of tokens")
    return caller


def _unauthorized(detail: str, next_step: str) -> ProblemError:
    return ProblemError(401, "token-needed", detail, next_step, headers={"WWW-Authenticate": "Bearer"})
