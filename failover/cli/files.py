"""check-config, schema, format: what needs no controller."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from failover.cli import options, printing
from failover.cli.exit_codes import ExitCode
from failover.cli.whereabouts import config_file


def check_config(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="Default: as for --config.")] = None,
    secrets: Annotated[bool, typer.Option("--secrets/--no-secrets", help="Read the secrets, too.")] = True,
    json: options.Json = False,
) -> None:
    """Everything that is wrong with a configuration file, at once."""
    from config.loading import examine
    from config.timing import asked_session_s, failover_timing
    from failover.daemon.host_rules import host_findings

    path = config_file(file)
    examined = examine(path, secrets, host_findings)
    config = examined.config
    timing = failover_timing(config, asked_session_s(config)) if config is not None else None
    if json:
        problems = [asdict(problem) for problem in examined.problems]
        figures = timing.figures() if timing is not None else None
        printing.as_json({"file": str(path), "ok": timing is not None, "problems": problems, "timing": figures})
    else:
        for problem in examined.problems:
            printing.say(str(problem))
        if timing is not None:
            printing.say(f"{path}: good{', with warnings' if examined.problems else ''}")
            printing.say(timing.said())
    if timing is None:
        raise typer.Exit(ExitCode.CONFIG_ERROR)


def schema(json: options.Json = True) -> None:  # noqa: ARG001 (every command takes --json)
    """The JSON Schema of the configuration file, for editors."""
    from config.schema import json_schema

    printing.as_json(json_schema())


def format_store(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="Default: as for --config.")] = None,
    yes_i_mean: Annotated[
        str | None,
        typer.Option("--yes-i-mean", metavar="NODE", help="NODE was active last, and certainly is not any more."),
    ] = None,
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """Make the service's paths in the store, once; refused while somebody is or may be active."""
    from failover.cli.formatting import format_service

    told = format_service(config_file(file or config), yes_i_mean)
    if json:
        printing.as_json({"ok": True, "told": told})
    else:
        printing.say(told)
