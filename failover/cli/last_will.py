"""last-will, for systemd's `OnFailure=`: the controller will not come back, so its work is brought to an end.

The daemon's parts do it; here it is told. Never run by `ExecStopPost=`, which runs before every restart, too.
"""

from __future__ import annotations

import logging
import sys

import typer

from failover.cli import options, printing
from failover.cli.exit_codes import ExitCode
from failover.cli.failures import CommandFailed
from failover.cli.whereabouts import config_file

SERVICE = {
    "paused": "the service is paused: it is left as it is",
    "demoted": "the service was demoted",
    "standby": "the service was standby already",
    "doubtful": "the service MAY STILL BE ACTIVE",
}
SESSION = {
    "closed": "the session is closed: the lock is free at once",
    "gone": "the session had ended before",
    "none": "no session was saved that could be closed: if one lives, it ends by its time-out",
    "away": "the store did not answer: the session ends by its time-out",
    "unconfirmed": "the store did not confirm that the session is closed: it ends by its time-out at the latest",
    "left": "the session is left as it is: it ends by its time-out",
}
BREADCRUMB = {
    "clean": "the breadcrumb is marked clean: nobody need fence this node",
    "as_it_was": "the breadcrumb is left as it was: the peers fence this node before they promote",
    "not_ours": "the breadcrumb does not name this node: nobody fences it",
}


def last_will(config: options.Config = None, json: options.Json = False) -> None:
    """For OnFailure=, when no controller will come back: demote, hand over, close the saved session."""
    from failover.cli.loading import load_config
    from failover.daemon.__main__ import package_version
    from failover.daemon.identity import IdentityError
    from failover.daemon.last_will import fulfil
    from failover.daemon.state_folder import AlreadyRunningError, StateFolderError
    from failover.support.launcher import LauncherError

    settings = load_config(config_file(config))
    _log_progress()
    try:
        done = fulfil(settings, package_version(), printing.note)
    except AlreadyRunningError as error:
        raise CommandFailed(str(error), "leave it to that controller", ExitCode.CONTROLLER_RUNS) from None
    except (StateFolderError, IdentityError, LauncherError) as error:
        raise CommandFailed(str(error), "", ExitCode.FAILED) from None
    code = _code(done.service, done.session, done.released)
    if json:
        printing.as_json({"ok": code is ExitCode.OK, "exit_code": int(code), **done.as_json()})
    else:
        for line in _lines(done.service, done.service_detail, done.session, done.breadcrumb, done.hooks_ended):
            printing.say(line)
    raise typer.Exit(code)


def _log_progress() -> None:
    """The controller's own log lines say what is being done."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    for noisy in ("asyncio", "kazoo", "failoverd.store"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _code(service: str, session: str, released: bool) -> ExitCode:
    if service == "paused":
        return ExitCode.PAUSED
    if service == "doubtful":
        return ExitCode.MAY_BE_ACTIVE
    if session == "away":
        return ExitCode.STORE_UNREACHABLE
    return ExitCode.OK if released else ExitCode.NOT_RELEASED


def _lines(service: str, detail: str, session: str, breadcrumb: str, hooks: tuple[str, ...]) -> list[str]:
    told = [f"hooks of the controller were ended: {', '.join(hooks)}"] if hooks else []
    told.append(SERVICE[service] + (f" ({detail})" if detail else ""))
    told.append(SESSION[session])
    if service != "paused":
        told.append(BREADCRUMB[breadcrumb])
    return told
