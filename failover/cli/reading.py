"""status, why, history: what the controller knows. Changes nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from failover.cli import options, printing

DEFAULT_LINES = 20


def status(
    config: options.Config = None,
    url: options.Url = None,
    token_file: options.TokenFile = None,
    ca: options.Ca = None,
    json: options.Json = False,
) -> None:
    """Who is active, how every node is, and what is wrong."""
    from failover.cli.asking import connect

    with connect(config, url, token_file, ca) as client:
        cluster = client.get("/v1/cluster")
        if json:
            printing.as_json({"cluster": cluster, "status": client.get("/v1/status")})
            return
    printing.service(cluster)
    printing.say()
    printing.members(cluster)
    if cluster["to_do"]:
        printing.say()
        printing.to_do(cluster)


def why(
    node: Annotated[str | None, typer.Argument(metavar="[NODE]", help="Default: the node that is asked.")] = None,
    config: options.Config = None,
    url: options.Url = None,
    token_file: options.TokenFile = None,
    ca: options.Ca = None,
    json: options.Json = False,
) -> None:
    """In plain words: why is this node not active, and what to do about it."""
    from failover.cli.asking import connect

    with connect(config, url, token_file, ca) as client:
        cluster = client.get("/v1/cluster")
    name = node or cluster["seen_by"]
    found = next((each for each in cluster["members"] if each["node"] == name), None) or _absent(name, cluster)
    told = {key: found[key] for key in ("node", "active", "reasons", "next")}
    if json:
        printing.as_json({**told, "seen_by": cluster["seen_by"], "to_do": cluster["to_do"]})
        return
    printing.say(f"{name} is {'active' if told['active'] else 'not active'}.")
    for reason in told["reasons"]:
        printing.say(f"  - {reason}")
    for step in told["next"]:
        printing.say(f"  next: {step}")


def _absent(name: str, cluster: printing.View) -> printing.View:
    live = ", ".join(each["node"] for each in cluster["members"])
    reason = f"no live controller is called {name} (live are: {live}): it does not run, or the name is another"
    return {
        "node": name,
        "active": False,
        "reasons": [reason],
        "next": [f"on {name}: systemctl status failoverd@{cluster['service']}"],
    }


def history(
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=1000, help="How many of the latest.")] = (
        DEFAULT_LINES
    ),
    config: options.Config = None,
    url: options.Url = None,
    token_file: options.TokenFile = None,
    ca: options.Ca = None,
    json: options.Json = False,
) -> None:
    """What happened to the service, the latest last."""
    from failover.cli.asking import connect

    with connect(config, url, token_file, ca) as client:
        told = client.get("/v1/history", limit=lines)
    if json:
        printing.as_json(told)
    elif told["history"]:
        printing.history(told["history"])
    else:
        printing.say("Nothing is remembered yet.")
