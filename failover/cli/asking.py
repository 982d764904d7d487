"""One line for the commands that ask a controller: find it and connect. Imports httpx, so it is imported late."""

from __future__ import annotations

from pathlib import Path

from failover.cli.client import Client
from failover.cli.whereabouts import find


def connect(config: Path | None, url: str | None, token_file: Path | None, ca: Path | None = None) -> Client:
    """A client of the controller that the options name. Raises CommandFailed."""
    return Client(find(config, url, token_file, ca))
