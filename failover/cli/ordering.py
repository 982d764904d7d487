"""switchover, failover, pause, resume, drain, undrain: orders. The controller checks and carries them out."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from failover.cli import options, printing
from failover.cli.exit_codes import ExitCode
from failover.cli.failures import CommandFailed

if TYPE_CHECKING:
    from failover.cli.client import Client

WAIT_S = 180.0
Node = Annotated[str, typer.Argument(metavar="NODE")]


def switchover(
    reason: options.Reason,
    source: Annotated[str | None, typer.Option("--from", metavar="A", help="Only if A is the active.")] = None,
    target: Annotated[str | None, typer.Option("--to", metavar="B", help="Default: the best candidate.")] = None,
    wait: options.Wait = True,
    timeout: options.Timeout = WAIT_S,
    config: options.Config = None,
    url: options.Url = None,
    token_file: options.TokenFile = None,
    ca: options.Ca = None,
    json: options.Json = False,
) -> None:
    """Hand over from the active node to another, as planned."""
    from failover.cli.asking import connect

    order = {"from": source, "to": target, "reason": reason}
    given = {key: value for key, value in order.items() if value is not None}
    with connect(config, url, token_file, ca) as client:
        follow_to_the_end(client, client.post("/v1/switchover", given), wait, timeout, json)


def failover(
    target: Annotated[str, typer.Option("--to", metavar="B", help="The node to make active.")],
    force: Annotated[bool, typer.Option("--force", help="Fence the last active, if need be.")] = False,
    reason: options.Reason = "forced failover",
    wait: options.Wait = True,
    timeout: options.Timeout = WAIT_S,
    config: options.Config = None,
    url: options.Url = None,
    token_file: options.TokenFile = None,
    ca: options.Ca = None,
    json: options.Json = False,
) -> None:
    """With nobody active: make a node active, fencing whom it must."""
    from failover.cli.asking import connect

    if not force:
        message = "a failover is forced or not at all: it may fence a node"
        next_step = "add --force; while a node is active, use failoverctl switchover instead"
        raise CommandFailed(message, next_step, ExitCode.REFUSED)
    with connect(config, url, token_file, ca) as client:
        if not json:
            printing.note(_will(target, client.get("/v1/cluster")))
        order = {"to": target, "force": True, "reason": reason}
        follow_to_the_end(client, client.post("/v1/failover", order), wait, timeout, json)


def _will(target: str, cluster: printing.View) -> str:
    crumb = cluster["breadcrumb"]
    if crumb is None or crumb["clean"] or crumb["node"] == target:
        return f"{target} is to become active; nobody has to be fenced"
    return f"{target} is to become active; {crumb['node']} (active last, epoch {crumb['epoch']}) is fenced first"


def follow_to_the_end(client: Client, operation: dict[str, Any], wait: bool, timeout_s: float, json: bool) -> None:
    """Follow an operation, and fail where it did not end well. Raises CommandFailed."""
    from failover.cli.progress import follow

    ended = follow(client, operation, timeout_s) if wait else operation
    if json:
        printing.as_json(ended)
    elif wait:
        printing.say(f"{ended['kind']} {ended['state']}: {ended['detail']}")
    else:
        printing.say(f"{ended['kind']} {ended['id']} is under way: {ended['detail']}")
    if wait and ended["state"] != "done":
        message = f"the {ended['kind']} ended as {ended['state']}: {ended['detail']}"
        raise CommandFailed(message, "failoverctl status", ExitCode.OPERATION_FAILED, ended)


def pause(
    reason: options.Reason,
    duration: Annotated[
        str | None, typer.Option("--for", metavar="DURATION", help="Until then: 30m, 2h. Default: until resumed.")
    ] = None,
    config: options.Config = None,
    url: options.Url = None,
    token_file: options.TokenFile = None,
    ca: options.Ca = None,
    json: options.Json = False,
) -> None:
    """Automatic moves off, for the whole service; survives restarts."""
    from failover.cli.asking import connect

    with connect(config, url, token_file, ca) as client:
        told = client.post("/v1/pause", {"reason": reason} | ({} if duration is None else {"for": duration}))
    until = (told["pause"] or {}).get("until")
    ends = f" or {until}" if until else ""
    _tell(told, json, f"Paused: nothing moves by itself until failoverctl resume{ends}.")


def resume(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask, even if something would move.")] = False,
    config: options.Config = None,
    url: options.Url = None,
    token_file: options.TokenFile = None,
    ca: options.Ca = None,
    json: options.Json = False,
) -> None:
    """Automatic moves on again; first shows what would move or be fenced."""
    from failover.cli.asking import connect

    with connect(config, url, token_file, ca) as client:
        coming = client.get("/v1/cluster")["after_resume"]
        for line in coming:
            printing.note(f"After resuming: {line}")
        if coming and not yes and sys.stdin.isatty() and not typer.confirm("Resume?", err=True):
            raise CommandFailed("not resumed", "", ExitCode.FAILED)
        told = client.post("/v1/resume", {})
    _tell(told, json, "Resumed.")


def drain(
    node: Node,
    force: Annotated[bool, typer.Option("--force", help="Even with no other healthy candidate.")] = False,
    config: options.Config = None,
    url: options.Url = None,
    token_file: options.TokenFile = None,
    ca: options.Ca = None,
    json: options.Json = False,
) -> None:
    """A node hands over, if it is active, and stays out."""
    from failover.cli.asking import connect

    with connect(config, url, token_file, ca) as client:
        told = client.post("/v1/drain", {"node": node, "force": force})
    _tell(told, json, f"{node} is drained: it stays out until failoverctl undrain {node}.")


def undrain(
    node: Node,
    config: options.Config = None,
    url: options.Url = None,
    token_file: options.TokenFile = None,
    ca: options.Ca = None,
    json: options.Json = False,
) -> None:
    """A drained node may become active again."""
    from failover.cli.asking import connect

    with connect(config, url, token_file, ca) as client:
        told = client.post("/v1/undrain", {"node": node})
    _tell(told, json, f"{node} may become active again.")


def _tell(told: printing.View, json: bool, words: str) -> None:
    if json:
        printing.as_json(told)
    else:
        printing.say(words)
