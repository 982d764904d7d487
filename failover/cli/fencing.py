"""fence check, probe, plan, test, confirm, history. The controller checks and carries out; this shows and asks."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from failover.cli import options, printing
from failover.cli.exit_codes import ExitCode
from failover.cli.failures import CommandFailed
from failover.cli.ordering import WAIT_S
from failover.cli.whereabouts import config_file

if TYPE_CHECKING:
    from failover.cli.client import Client

PROBE_S = 130.0  # longer than the controller's own limit: its word is better than silence
LINES = 20
Node = Annotated[str, typer.Argument(metavar="NODE")]
SomeNode = Annotated[str | None, typer.Argument(metavar="[NODE]", help="Default: every peer that is there.")]
Method = Annotated[str | None, typer.Option("--method", metavar="M", help="Only this method of the chain.")]
Meant = Annotated[
    str | None,
    typer.Option("--yes-i-mean", metavar="NODE", help="In place of typing the node's name."),
]


def check(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="Default: as for --config.")] = None,
    json: options.Json = False,
) -> None:
    """The fencing of a configuration file, without asking any device: order, what can be proven, worst case."""
    from config.loading import examine
    from failover.cli.fence_check import checked, show

    path = config_file(file)
    examined = examine(path, False)
    told = checked(path, examined)
    if json:
        printing.as_json(told)
    else:
        show(told)
    if not told["ok"]:
        raise typer.Exit(ExitCode.CONFIG_ERROR)


def probe(
    node: SomeNode = None,
    method: Method = None,
    config: options.Config = None,
    url: options.Url = None,
    token_file: options.TokenFile = None,
    ca: options.Ca = None,
    json: options.Json = False,
) -> None:
    """Ask the fence devices now whether a living peer could be fenced; changes nothing."""
    from failover.cli import fence_printing
    from failover.cli.asking import connect

    with connect(config, url, token_file, ca) as client:
        known = client.get("/v1/fence")
        nodes = [node] if node is not None else [peer["node"] for peer in known["peers"]]
        named = [method] if method is not None else _askable(known)
        proofs = [proof for name in nodes for one in named for proof in _probed(client, name, one, json)]
    if json:
        printing.as_json({"ok": _all_done(proofs), "proofs": proofs})
        raise typer.Exit(ExitCode.OK if _all_done(proofs) or not proofs else ExitCode.OPERATION_FAILED)
    if proofs:
        fence_printing.proofs(proofs)
    else:
        printing.say("Nothing was probed: no peer is there, or no method of the chain can be probed.")
    if proofs and not _all_done(proofs):
        message = "not every method could fence now: " + "; ".join(
            f"{one['method']} for {one['node']}: {one['detail']}" for one in proofs if one["proof"] != "done"
        )
        raise CommandFailed(message, "failoverctl fence plan NODE", ExitCode.OPERATION_FAILED)


def _askable(known: printing.View) -> list[str]:
    return [one["name"] for one in known["methods"] if one["askable"]]


def _probed(client: Client, node: str, method: str, json: bool) -> list[printing.View]:
    """One method a request: a device may take its time."""
    if not json:
        printing.note(f"{method}: asked about {node} …")
    found: list[printing.View] = client.post(f"/v1/fence/{node}/probe", {"method": method}, PROBE_S)["proofs"]
    return found


def _all_done(proofs: list[printing.View]) -> bool:
    return bool(proofs) and all(one["proof"] == "done" for one in proofs)


def plan(
    node: Node,
    config: options.Config = None,
    url: options.Url = None,
    token_file: options.TokenFile = None,
    ca: options.Ca = None,
    json: options.Json = False,
) -> None:
    """What fencing NODE would be: order, parameters, deadlines, proofs, who else goes down. Touches nothing."""
    from failover.cli import fence_printing
    from failover.cli.asking import connect

    with connect(config, url, token_file, ca) as client:
        told = client.get(f"/v1/fence/{node}/plan")
    if json:
        printing.as_json(told)
    else:
        fence_printing.plan(told)


def live_test(
    node: Node,
    reason: options.Reason = "live test of fencing",
    live: Annotated[bool, typer.Option("--live", help="Really strike it. There is no other test.")] = False,
    method: Method = None,
    force: Annotated[bool, typer.Option("--force", help="Even the only standby, or with nobody active.")] = False,
    yes_i_mean: Meant = None,
    wait: options.Wait = True,
    timeout: options.Timeout = WAIT_S,
    config: options.Config = None,
    url: options.Url = None,
    token_file: options.TokenFile = None,
    ca: options.Ca = None,
    json: options.Json = False,
) -> None:
    """Really strike a living standby, look whether it is off, and give back what was taken."""
    from failover.cli import fence_printing
    from failover.cli.asking import connect
    from failover.cli.ordering import follow_to_the_end

    if not live:
        next_step = f"add --live, or touch nothing: failoverctl fence plan {node}"
        raise CommandFailed("a test is live or not at all: it strikes the node", next_step, ExitCode.REFUSED)
    with connect(config, url, token_file, ca) as client:
        if not json:
            fence_printing.plan(client.get(f"/v1/fence/{node}/plan"), printing.note)
        make_sure(node, yes_i_mean, f"{node} will be struck now.")
        order: dict[str, Any] = {"live": True, "reason": reason, "force": force}
        if method is not None:
            order["method"] = method
        follow_to_the_end(client, client.post(f"/v1/fence/{node}/test", order), wait, timeout, json)


def confirm(
    node: Node,
    reason: options.Reason = "confirmed by hand",
    override_evidence: Annotated[
        bool, typer.Option("--override-evidence", help="Although something of it still seems to be alive.")
    ] = False,
    yes_i_mean: Meant = None,
    config: options.Config = None,
    url: options.Url = None,
    token_file: options.TokenFile = None,
    ca: options.Ca = None,
    json: options.Json = False,
) -> None:
    """You have made sure that NODE, active last, is off: it counts as fenced, this once."""
    from failover.cli import fence_printing
    from failover.cli.asking import connect

    with connect(config, url, token_file, ca) as client:
        if not json:
            with contextlib.suppress(CommandFailed):  # who cannot be confirmed is refused below, in better words
                fence_printing.last_seen(client.get(f"/v1/fence/{node}/plan"), client.get("/v1/cluster"))
        warning = f"If {node} is still active, there will be two actives. Look at the machine itself."
        make_sure(node, yes_i_mean, warning)
        order = {"reason": reason, "override": override_evidence}
        told = client.post(f"/v1/fence/{node}/confirm", order)
    if json:
        printing.as_json(told)
    else:
        which = f"machine {told['machine_id'] or '?'}, epoch {told['epoch']}"
        printing.say(f"Confirmed: {node} ({which}) counts as fenced, this once.")
        printing.say("  next: failoverctl status")


def make_sure(node: str, meant: str | None, warning: str) -> None:
    """The node's name, typed or given, or nothing is done. Raises CommandFailed."""
    if meant is None and sys.stdin.isatty():
        printing.note(warning)
        meant = typer.prompt(f"Type the node's name ({node}) to go on", err=True, default="", show_default=False)
    if meant is None:
        next_step = f"add --yes-i-mean {node}, or run it on a terminal"
        raise CommandFailed(
            "nothing was done: nobody could be asked whether this is meant", next_step, ExitCode.REFUSED
        )
    if meant != node:
        raise CommandFailed(f"nothing was done: {meant!r} is not {node!r}", "look again at the name", ExitCode.REFUSED)


def history(
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=200, help="How many of the latest.")] = LINES,
    config: options.Config = None,
    url: options.Url = None,
    token_file: options.TokenFile = None,
    ca: options.Ca = None,
    json: options.Json = False,
) -> None:
    """Fences, live tests and confirmations of the service, and the strikes of the node that is asked."""
    from failover.cli import fence_printing
    from failover.cli.asking import connect

    with connect(config, url, token_file, ca) as client:
        told = client.get("/v1/fence/history")
    told = {**told, "history": told["history"][-lines:], "strikes": told["strikes"][-lines:]}
    if json:
        printing.as_json(told)
    else:
        fence_printing.history(told)
