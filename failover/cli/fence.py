"""`failoverctl fence`: the group of commands about fencing. Each has a module of its own."""

from __future__ import annotations

import typer

from failover.cli import fence_agents

app = typer.Typer(
    name="fence",
    help="Make certain that fencing works, before it is needed.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command("agents")(fence_agents.agents)
