"""Who is struck, in the words of a fence method's command: facts, environment, filled-in arguments.

Strikes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from config.placeholders import fill, used_in
from failover.ports.service import Strike

Facts = Mapping[str, str]


def facts_of(strike: Strike, nodes: Mapping[str, Facts]) -> dict[str, str]:
    """`name`, `address` (a host) and every fact of the target: the breadcrumb's own over the locally configured.

    A target of this node's own name is another machine that bore the name before: what is configured here under
    that name describes this machine, so it is not used.
    """
    target = strike.target
    local: Facts = {} if target.node.name == strike.by else nodes.get(target.node.name, {})
    facts = {**local, **target.facts, "name": target.node.name}
    facts.setdefault("address", split_address(target.address)[0])
    return facts


def would_hit_this_host(strike: Strike, nodes: Mapping[str, Facts], texts: tuple[str, ...]) -> str:
    """S7: a target of our own name (the machine was replaced), or with this machine's id (it was renamed), must differ
    from us in what is filled in.

    Gives the words for it, or "". `texts`: all that says who is struck, with its placeholders; one that cannot be
    filled in for the target is not judged here, since nothing can be struck then. Any other target is another machine
    whatever it shares with us: a switch that serves all nodes is written without any placeholder.
    """
    name = strike.target.node.name
    renamed = strike.own_machine and name != strike.by
    if name != strike.by and not renamed:
        return ""
    own = {**nodes.get(strike.by, {}), "name": strike.by}
    wanted = {placeholder.removeprefix("node.") for placeholder in used_in(texts)}
    if not wanted <= own.keys() or (renamed and not wanted):
        return ""
    try:
        if fill(texts, own) != fill(texts, facts_of(strike, nodes)):
            return ""
    except KeyError:
        return ""
    who = f"{name} has this machine's id" if renamed else f"another machine was active as {name}"
    return f"it would strike this host: {who}; make sure that it is off, then: failoverctl fence confirm {name}"


def split_address(address: str) -> tuple[str, str]:
    """Host and port of `host:port` or `[v6]:port`; the port is empty where there is none."""
    host, colon, port = address.rpartition(":")
    if not colon or (":" in host and not host.startswith("[")):
        return address.strip("[]"), ""
    return host.strip("[]"), port


def environment_of(strike: Strike, facts: Facts) -> dict[str, str]:
    """What a fencing script is told: FAILOVER_… and Hadoop's names, so that its scripts work unchanged."""
    api_host, api_port = split_address(strike.target.address)
    host, port = facts.get("address") or api_host, facts.get("port") or api_port
    return {
        "FAILOVER_SERVICE": strike.service,
        "FAILOVER_NODE": strike.by,
        "FAILOVER_EPOCH": str(strike.epoch),
        "FAILOVER_ATTEMPT": str(strike.attempt),
        "FAILOVER_REASON": strike.reason,
        "FAILOVER_OLD_ACTIVE": strike.target.node.name,
        "FAILOVER_ACTIVE": strike.by,
        "FAILOVER_ACTIVE_ADDRESS": "",
        "target_host": host,
        "target_port": port,
        "target_address": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        "target_nodeid": strike.target.node.name,
    }
