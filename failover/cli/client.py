"""Asks the controller, and turns everything that is not the answer into a CommandFailed.

Knows HTTP and problem details; knows no command.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from failover.cli.exit_codes import ExitCode
from failover.cli.failures import CommandFailed
from failover.cli.whereabouts import TOKEN_ENV, Whereabouts
from failover.support.tls import TlsFiles, TlsFilesError, client_context

ANSWER_TIMEOUT_S = 40.0  # longer than the controller's own limit for an order: its word is better than silence
CONNECT_TIMEOUT_S = 3.0


class Client:
    """One conversation with one controller."""

    def __init__(self, where: Whereabouts) -> None:
        self._where = where
        try:
            self._http = self._connected()
        except (httpx.InvalidURL, UnicodeError) as error:
            raise self._unreachable(error) from None

    def _connected(self) -> httpx.Client:
        where = self._where
        transport = httpx.HTTPTransport(
            verify=_trust(where), uds=str(where.socket_path) if where.socket_path else None, trust_env=False
        )
        return httpx.Client(
            base_url=where.url,
            transport=transport,
            timeout=httpx.Timeout(ANSWER_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            headers={"Authorization": f"Bearer {where.token}"} if where.token else {},
            trust_env=False,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, **query: str | int) -> dict[str, Any]:
        """The answer's object. Raises CommandFailed."""
        return self._ask("GET", path, params=query)

    def post(self, path: str, order: dict[str, Any], patience_s: float = ANSWER_TIMEOUT_S) -> dict[str, Any]:
        """Give an order; the answer's object. Raises CommandFailed."""
        timeout = httpx.Timeout(patience_s, connect=CONNECT_TIMEOUT_S)
        return self._ask("POST", path, json=order, timeout=timeout)

    def _ask(self, method: str, path: str, **how: Any) -> dict[str, Any]:
        try:
            answer = self._http.request(method, path, **how)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise self._unreachable(error) from None
        try:
            told = answer.json()
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise CommandFailed(
                f"{self._place()} answered {answer.status_code}, and not as failoverd does",
                "look at the address: is it the controller's?",
                ExitCode.CONTROLLER_UNREACHABLE,
            )
        if answer.status_code >= httpx.codes.BAD_REQUEST:
            raise failed(told)
        return told

    def _place(self) -> str:
        return str(self._where.socket_path or self._where.url)

    def _unreachable(self, error: Exception) -> CommandFailed:
        slow = isinstance(error, httpx.TimeoutException)
        why = "no answer in time" if slow else str(error) or type(error).__name__
        tried = f" ({self._where.tried})" if self._where.tried else ""
        return CommandFailed(
            f"the controller cannot be reached at {self._place()}: {why}{tried}",
            "is it running? systemctl status 'failoverd@*'",
            ExitCode.CONTROLLER_UNREACHABLE,
        )


def _trust(where: Whereabouts) -> ssl.SSLContext | bool:
    """Whom to believe; False: nobody is asked for a certificate. Raises CommandFailed."""
    return trust_in(where.ca) if where.url.startswith("https://") else False  # nothing is loaded that is not needed


def trust_in(ca: Path | None) -> ssl.SSLContext:
    """Whom to believe: this CA, or the system's own. Raises CommandFailed."""
    if ca is None:
        return ssl.create_default_context()
    try:
        return client_context(TlsFiles(str(ca)))
    except TlsFilesError as error:  # a CA that cannot be used is no reason to believe anybody
        raise CommandFailed(str(error), "name the CA's file with --ca FILE", ExitCode.REFUSED) from None


def failed(problem: dict[str, Any]) -> CommandFailed:
    """The controller's problem as a failure of the command."""
    status, kind = problem.get("status"), str(problem.get("type", "")).rpartition(":")[2]
    message = str(problem.get("detail") or problem.get("title") or problem.get("why") or "it failed")
    check = problem.get("check")
    if kind == "order-refused":
        message = f"refused ({check}): {message}"
    next_step = str(problem.get("next") or _next(kind, check))
    return CommandFailed(message, next_step, _code(status, kind, check), problem)


def _code(status: object, kind: str, check: object) -> ExitCode:
    if kind == "order-refused":
        return ExitCode.STORE_UNREACHABLE if check == "store" else ExitCode.ORDER_REFUSED
    if kind == "stale":
        return ExitCode.STALE
    if status in (401, 403):
        return ExitCode.ACCESS_DENIED
    return ExitCode.ORDER_REFUSED if status in (404, 409, 422) else ExitCode.FAILED


def _next(kind: str, check: object) -> str:
    if kind == "token-needed":
        return f"set {TOKEN_ENV} or use --token-file, or run this on the node itself as root"
    if check == "store":
        return "look after the store, then failoverctl status"
    return "failoverctl status" if kind == "order-refused" else ""
