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
    from failover.daemon.unit_rules import unit_findings

    path = config_file(file)
    examined = examine(path, secrets, unit_findings)
    if json:
        problems = [asdict(problem) for problem in examined.problems]
        printing.as_json({"file": str(path), "ok": examined.config is not None, "problems": problems})
    else:
        for problem in examined.problems:
            printing.say(str(problem))
        if examined.config is not None:
            printing.say(f"{path}: good{', with warnings' if examined.problems else ''}")
    if examined.config is None:
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
