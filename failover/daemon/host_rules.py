"""What check-config looks at on this very host, beyond the file. Starts no daemon and arms nothing."""

from __future__ import annotations

from collections.abc import Iterator

from config.draft import Draft
from config.problems import Finding
from failover.daemon.unit_rules import unit_findings
from fencing.agent.examine import agent_findings


def host_findings(draft: Draft) -> Iterator[Finding]:
    """Units that would start by themselves, and a watchdog that could not be armed (warnings: another host may)."""
    yield from unit_findings(draft)
    yield from agent_findings(draft)
    settings = draft.watchdog
    if settings is None or settings.mode == "off":
        return
    from fencing.watchdog.preflight import doubts

    for doubt in doubts(settings):
        yield Finding(("watchdog", doubt.key), f"on this host: {doubt.message}", doubt.hint, severity="warning")
