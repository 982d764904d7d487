"""Follows an operation to its end and says what is happening meanwhile, on standard error.

The order is with the controllers by then: when nothing can be seen any more, it goes on all the same.
"""

from __future__ import annotations

import time
from typing import Any

from failover.cli import printing
from failover.cli.client import Client
from failover.cli.exit_codes import ExitCode
from failover.cli.failures import CommandFailed

POLL_S = 0.2
BLIND_S = 30.0  # the node that is asked may be busy or restarting in the middle of a hand-over
_PASSING = (ExitCode.STALE, ExitCode.CONTROLLER_UNREACHABLE, ExitCode.FAILED)


def follow(client: Client, operation: dict[str, Any], timeout_s: float) -> dict[str, Any]:
    """The operation once it has ended. Raises CommandFailed when that is not seen within `timeout_s` seconds."""
    began = seen = time.monotonic()
    teller = _Teller(began)
    while operation["state"] == "pending":
        teller.tell(operation["detail"])
        now = time.monotonic()
        if now - began > timeout_s:
            raise _not_seen(operation, f"has not ended within {timeout_s:.0f} s", ExitCode.OPERATION_FAILED)
        time.sleep(POLL_S)
        try:
            operation = client.get(f"/v1/operations/{operation['id']}")
            _tell_roles(teller, client.get("/v1/cluster"))
            seen = time.monotonic()
        except CommandFailed as failed:
            if failed.code not in _PASSING or time.monotonic() - seen > BLIND_S:
                raise _not_seen(operation, f"cannot be followed: {failed.message}", failed.code) from None
            teller.tell(failed.message)
    _tell_phases(operation)
    return operation


class _Teller:
    """Says each thing once, with the time since the start."""

    def __init__(self, began: float) -> None:
        self._began = began
        self._told: dict[str, str] = {}

    def tell(self, what: str, about: str = "") -> None:
        if what and self._told.get(about) != what:
            self._told[about] = what
            printing.note(f"{time.monotonic() - self._began:6.1f} s  {about + ' is ' if about else ''}{what}")


def _tell_roles(teller: _Teller, cluster: dict[str, Any]) -> None:
    for member in cluster["members"]:
        teller.tell(member["role"], member["node"])


def _tell_phases(operation: dict[str, Any]) -> None:
    ended = operation.get("ended") or {}
    for name, after_ms in (ended.get("phases_ms") or {}).items():
        printing.note(f"{after_ms / 1000:6.2f} s  {name.replace('_', ' ')}")


def _not_seen(operation: dict[str, Any], why: str, code: ExitCode) -> CommandFailed:
    message = f"the {operation['kind']} {operation['id']} was given and {why}"
    return CommandFailed(message, "failoverctl status tells how it went", code, operation)
