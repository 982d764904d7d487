"""Asks a controller of the demo over its Unix socket, where orders need no token.

Knows HTTP and the shape of the API's problems; no command, no terminal.
"""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any

ANSWER_S = 2.0
ORDER_S = 35.0  # an order may wait for the store


class NoAnswer(Exception):
    """The controller does not answer (yet, or any more)."""


class OrderFailed(Exception):
    """The controller said no; the text says why."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = str(path)
        self._timeout_s = timeout_s

    def connect(self) -> None:
        """Connect to the Unix socket in place of an address."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self._timeout_s)
        self.sock.connect(self._path)


def ask(path: Path, what: str) -> dict[str, Any]:
    """GET: the answer's object. Raises NoAnswer."""
    status, told = _request(path, "GET", what, None, ANSWER_S)
    if status >= http.client.BAD_REQUEST:
        raise NoAnswer(_said(told))
    return told


def order(path: Path, what: str, body: dict[str, Any]) -> dict[str, Any]:
    """POST: the answer's object. Raises NoAnswer, or OrderFailed when it was refused."""
    status, told = _request(path, "POST", what, body, ORDER_S)
    if status >= http.client.BAD_REQUEST:
        raise OrderFailed(_said(told))
    return told


def _request(
    path: Path, method: str, what: str, body: dict[str, Any] | None, timeout_s: float
) -> tuple[int, dict[str, Any]]:
    connection = _UnixConnection(path, timeout_s)
    headers = {"Content-Type": "application/json"} if body is not None else {}
    try:
        connection.request(method, what, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        told = json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NoAnswer(str(error) or type(error).__name__) from None
    finally:
        connection.close()
    if not isinstance(told, dict):
        raise NoAnswer("the answer is not one of failoverd's")
    return answer.status, told


def _said(told: dict[str, Any]) -> str:
    text = str(told.get("detail") or told.get("title") or "no reason was given")
    after = told.get("next")
    return f"{text}; {after}" if after else text
