"""`failoverctl fence`: its commands, gathered."""

from __future__ import annotations

import typer

from failover.cli import fence_agents, fencing

fence = typer.Typer(
    name="fence",
    help="Prove, plan, test and confirm the fencing of nodes.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
fence.command("check")(fencing.check)
fence.command("probe")(fencing.probe)
fence.command("plan")(fencing.plan)
fence.command("test")(fencing.live_test)
fence.command("confirm")(fencing.confirm)
fence.command("history")(fencing.history)
fence.command("agents")(fence_agents.agents)
