"""Runs a store's `format` for the operator, and asks for the name of a node that may still be active.

What is refused, and why, is the store's to say.
"""

from __future__ import annotations

import sys
from pathlib import Path

from config.models import Config, ZooKeeperSettings
from failover.cli import printing
from failover.cli.exit_codes import ExitCode
from failover.cli.failures import CommandFailed
from failover.cli.loading import load_config
from failover.daemon.stores import make_store
from failover.ports.store import FormatError
from failover.stores import FormattableStore

_ASKS_FOR_NAME = "type its name"  # the store's own words, when a name overrides the refusal


def format_service(file: Path, name: str | None) -> str:
    """What was done. Raises CommandFailed with ZKFC's exit codes: 1 failed, 2 refused, 6 no store."""
    store = _store(load_config(file))
    try:
        return _format(store, name)
    finally:
        store.shut_down()


def _store(config: Config) -> FormattableStore:
    if isinstance(config.store, ZooKeeperSettings):
        in_tls = " by TLS" if config.store.tls else ""
        printing.note(f"connecting to ZooKeeper at {', '.join(config.store.hosts)}{in_tls}")
    return make_store(config)


def _format(store: FormattableStore, name: str | None) -> str:
    try:
        return store.format(name)
    except FormatError as refused:
        named = _ASKS_FOR_NAME in str(refused)
        if not named or name is not None or not sys.stdin.isatty():
            raise _failed(refused, named) from None
        printing.note(str(refused))
    try:
        return store.format(input("Its name: ").strip())
    except FormatError as refused:
        raise _failed(refused, False) from None
    except EOFError:
        raise CommandFailed("not formatted", "", ExitCode.REFUSED) from None


def _failed(error: FormatError, named: bool) -> CommandFailed:
    next_step = "failoverctl format --yes-i-mean NODE" if named else ""
    return CommandFailed(str(error), next_step, ExitCode(error.exit_code))
