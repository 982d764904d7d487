"""What a file must agree about with itself, beyond each section being right alone.

Each check reads a draft and gives findings; none reads the file, and none changes anything.
"""

from collections.abc import Callable, Iterator

from config.checks.agents import agent_findings
from config.checks.api import api_findings
from config.checks.candidates import candidate_findings
from config.checks.fencing import fencing_findings
from config.checks.hooks import hook_findings
from config.checks.lease import lease_findings
from config.checks.nodes import node_findings
from config.checks.placeholders import placeholder_findings
from config.checks.redfish import ca_findings, redfish_findings
from config.checks.ssh import ssh_findings
from config.checks.stopping import stop_findings
from config.checks.tls import tls_findings
from config.checks.watchdog import watchdog_findings
from config.draft import Draft
from config.problems import Finding

CHECKS: tuple[Callable[[Draft], Iterator[Finding]], ...] = (
    node_findings,
    fencing_findings,
    placeholder_findings,
    agent_findings,
    redfish_findings,
    ca_findings,
    tls_findings,
    api_findings,
    lease_findings,
    hook_findings,
    stop_findings,
    ssh_findings,
    candidate_findings,
    watchdog_findings,
)


def findings_of(draft: Draft) -> list[Finding]:
    """Run every check."""
    return [finding for check in CHECKS for finding in check(draft)]
