"""The whole API as one application, composed of its parts.

Knows no server: `failover.api.server` runs it.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from failover.api import events, fences, health, orders, paging, peer, problems, reading
from failover.api.access import Tokens
from failover.api.envelope import Envelope
from failover.api.forms import schemas_of
from failover.api.front import Front
from failover.api.metrics import endpoint as metrics
from failover.ports.controller import Controller
from fencing.peer import PeerAuth

_ABOUT = (
    "The state of one service, as one controller sees it, and the operators' orders. Health checks and reads "
    "are open; an order needs a bearer token or the local Unix socket. Errors are problem details (RFC 9457)."
)


class _Api(FastAPI):
    """With the orders' forms in its description: no endpoint has them as a parameter, where FastAPI would find them."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            super().openapi()["components"] = {"schemas": schemas_of([*orders.FORMS, *fences.FORMS])}
        return super().openapi()


def create_app(controller: Controller, tokens: Tokens, peer_auth: PeerAuth | None, stale_after_s: float) -> FastAPI:
    """The application in front of `controller`. Older snapshots than `stale_after_s` seconds are not shown (S11).

    `peer_auth` None: demands of peers are refused. `app.state.front.closing` ends open streams when set.
    """
    app = _Api(
        title="failoverd",
        description=_ABOUT,
        version="1",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    front = Front(controller, tokens, stale_after_s)
    app.state.front = front
    app.add_middleware(Envelope)
    problems.install(app)
    for part in (health, reading, events, metrics, orders, fences, paging):
        part.install(app, front)
    peer.install(app, front, peer_auth)
    return app
