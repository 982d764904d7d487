"""Every node is struck through a BMC and a system of its own, and the BMC is known for what it is.

Knows nothing of how a BMC is asked.
"""

from collections.abc import Iterator

from config.draft import Draft
from config.models.fencing import AgentMethodSettings, RedfishMethodSettings
from config.models.fencing.redfish import bmc_url, system_path
from config.placeholders import fill
from config.problems import Finding, KeyPath


def redfish_findings(draft: Draft) -> Iterator[Finding]:
    """Find BMCs that are not believable, not usable, or another node's too."""
    for name, method in draft.fencing.methods.items() if draft.fencing else ():
        if isinstance(method, RedfishMethodSettings):
            path: KeyPath = ("fencing", "methods", name)
            if method.insecure:
                message = "true: anyone on the BMC's network can fake OFF"
                yield Finding((*path, "insecure"), message, "write ca: with the path of the BMC's CA", "warning")
            yield from _targets(draft, method, path)


def ca_findings(draft: Draft) -> Iterator[Finding]:
    """Find files of certificates that cannot be used."""
    for name, method in draft.fencing.methods.items() if draft.fencing and draft.files else ():
        if isinstance(method, RedfishMethodSettings | AgentMethodSettings) and method.ca is not None:
            from config.ca_files import ca_finding

            found = ca_finding(("fencing", "methods", name, "ca"), str(method.ca))
            if found is not None:
                yield found


def _targets(draft: Draft, method: RedfishMethodSettings, path: KeyPath) -> Iterator[Finding]:
    """Judged as filled in for each node: nodes may share a BMC, or the name of a system, but not both."""
    owners: dict[tuple[str, str], str] = {}
    for node, facts in (draft.nodes or {}).items():
        try:
            address, system = fill((method.address, method.system), {"address": node, **facts, "name": node})
        except KeyError:
            continue  # told by the check of placeholders
        try:
            url = bmc_url(address)
            where = (url.partition("://")[2].lower(), system_path(system))
        except ValueError as error:
            yield Finding(
                path, f"for {node}: {error}", "correct address and system, or the facts of that node", at_key=True
            )
            continue
        if url.startswith("http://") and not method.insecure:
            yield Finding(path, f"for {node}: http:// shows the password to the network", "use https", at_key=True)
        first = owners.setdefault(where, node)
        if first != node:
            message = f"{first} and {node} have the same BMC {where[0]} and system {where[1]}"
            yield Finding(path, message, "fencing one would kill the other: give each its own", at_key=True)
