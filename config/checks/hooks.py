"""Every hook's program is on this host, and the hooks that matter are there.

Runs none of them. All findings are warnings: a file may be checked on another host.
"""

from collections.abc import Iterator

from config.commands import missing_program
from config.draft import Draft
from config.models.control import Hook, PolledHook
from config.models.fencing import CommandMethodSettings
from config.models.health import CommandProbeSettings
from config.problems import Finding, KeyPath

HOOKS = ("promote", "demote", "follow", "role", "ready", "position")


def hook_findings(draft: Draft) -> Iterator[Finding]:
    """Find programs that cannot be started, and a missing `role` hook."""
    for path, argv in _commands(draft):
        reason = missing_program(argv)
        if reason:
            hint = "the hook's answer would be unknown"
            yield Finding((*path, "run"), reason, hint, severity="warning")
    if draft.control is not None and not draft.control.tells_role:
        hint = "add role: {run: …}, which prints active or standby"
        running = draft.control.standby == "running"
        message = "no role hook: a restarted controller cannot keep an active service"
        if running:
            message = "no role hook: with standby: running, nothing could tell whether a demote worked"
            hint += "; or write standby: stopped, and the probes tell"
        yield Finding(("control",), message, hint, severity="error" if running else "warning", at_key=True)


def _commands(draft: Draft) -> Iterator[tuple[KeyPath, tuple[str, ...]]]:
    for name in HOOKS if draft.control is not None else ():
        hook = getattr(draft.control, name)
        if isinstance(hook, Hook | PolledHook):  # a unit has no program of ours
            yield ("control", name), hook.run
    for index, probe in draft.health:
        if isinstance(probe, CommandProbeSettings):
            yield ("health", index), probe.run
    for name, method in draft.fencing.methods.items() if draft.fencing else ():
        if isinstance(method, CommandMethodSettings):
            yield ("fencing", "methods", name), method.run
