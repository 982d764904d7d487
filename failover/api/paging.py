"""Serves the status page at / and the API's description at /docs: whole files, nothing from other hosts.

What the page says is made in `page`.
"""

from __future__ import annotations

import base64
import hashlib
import re
from html import escape
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse, Response

from failover.api.front import Front
from failover.api.page import fresh_page, icon, stale_page

_FOLDER = Path(__file__).parent / "pages"


def install(app: FastAPI, front: Front) -> None:
    """Add the pages to `app`."""
    router = APIRouter(include_in_schema=False)
    style, script = _text("status.css"), _text("status.js")
    policy = _policy(style, script)
    docs = _text("docs.html")
    docs_policy = _policy(_between(docs, "style"), _between(docs, "script"))

    @router.get("/")
    async def status_page() -> Response:
        history = await front.known_history()
        snapshot, now_s = front.newest()
        old = front.is_stale(snapshot, now_s)
        made = stale_page(snapshot, now_s) if old else fresh_page(snapshot, now_s, history)
        html = _whole(snapshot.service, made, style, script)
        return HTMLResponse(html, 503 if old else 200, {"Content-Security-Policy": policy})

    @router.get("/docs")
    async def docs_page() -> Response:
        return HTMLResponse(docs, headers={"Content-Security-Policy": docs_policy})

    app.include_router(router)


def _whole(service: str, made: tuple[str, str, str], style: str, script: str) -> str:
    title, kind, main = made
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>{escape(title)}</title>
<link rel="icon" href="{icon(kind)}">
<noscript><meta http-equiv="refresh" content="5"></noscript>
<style>{style}</style>
</head>
<body>
<header><h1>{escape(service)}</h1><span class="soft">failoverd ·
<a href="/v1/cluster">JSON</a> · <a href="/v1/history">history</a> · <a href="/docs">API</a></span></header>
<header id="lost" hidden><div class="box bad"><div class="big">No answer for <span id="lost-since">?</span> s</div>
<p>What stood here may no longer be true. Ask
another node's page, or <code>failoverctl status</code>.</p></div></header>
<main>{main}</main>
<script>{script}</script>
</body>
</html>
"""


def _text(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _between(html: str, tag: str) -> str:
    found = re.search(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
    if found is None:
        raise ValueError(f"no <{tag}> in the page")
    return found[1]


def _policy(style: str, script: str) -> str:
    """Only this very style and script may run, whatever else should slip into the page."""
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
