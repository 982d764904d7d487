"""install and uninstall: the units and folders of this host."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from failover.cli import options, printing
from failover.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from failover.cli.installing import Step

Root = Annotated[Path, typer.Option("--root", metavar="DIR", help="Another root than /, for an image; no systemctl.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


def install(
    service: Annotated[str | None, typer.Option("--service", metavar="NAME", help="An example to edit, too.")] = None,
    binaries: Annotated[
        Path | None, typer.Option("--bin", metavar="DIR", help="Where failoverd lies. Default: beside this program.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Controllers run as user failoverd, without root (see the how-to).")
    ] = False,
    unit: Annotated[
        list[str] | None,
        typer.Option(
            "--unit",
            metavar="UNIT",
            help="With --strict and --service: what polkit lets it steer; again for more. Default: NAME.service.",
        ),
    ] = None,
    root: Root = Path("/"),
    dry_run: DryRun = False,
    json: options.Json = False,
) -> None:
    """Put units and folders in place, as often as you like; tells what to do next."""
    from failover.cli.failures import CommandFailed
    from failover.cli.installing import binaries_of_this, next_steps, steps_to_install

    if service is not None and not _is_name(service):
        raise CommandFailed(
            f'"{service}" is not a name', "use letters, digits, dot, dash, underscore", ExitCode.REFUSED
        )
    steps = steps_to_install(service, root, binaries or binaries_of_this(), _units(strict, service, unit))
    if not strict:
        _do(steps, dry_run, json, next_steps(service))
        return
    from failover.cli.installing_strict import USER, next_strict_steps

    _do(steps, dry_run, json, [*next_strict_steps(service), *next_steps(service, USER)])


def uninstall(root: Root = Path("/"), dry_run: DryRun = False, json: options.Json = False) -> None:
    """Take the units away; configuration and data stay. An active controller hands over first."""
    from failover.cli.installing import CONFIG_FOLDER, steps_to_uninstall

    _do(
        steps_to_uninstall(root),
        dry_run,
        json,
        [f"/{CONFIG_FOLDER}, /run/failoverd and a user failoverd are left as they are"],
    )


def _units(strict: bool, service: str | None, units: list[str] | None) -> list[str] | None:
    """What polkit is to allow; None without --strict. Raises CommandFailed."""
    from pydantic import TypeAdapter, ValidationError

    from config.models.units import UnitName
    from failover.cli.failures import CommandFailed

    if units and not (strict and service):
        raise CommandFailed("--unit is for --strict with --service", "name the service, too", ExitCode.REFUSED)
    for one in units or ():
        try:
            TypeAdapter(UnitName).validate_python(one)
        except ValidationError:
            raise CommandFailed(
                f'"{one}" is not the name of a unit', "orders-db.service, say", ExitCode.REFUSED
            ) from None
    return list(units or ()) if strict else None


def _is_name(text: str) -> bool:
    from pydantic import TypeAdapter, ValidationError

    from config.models.section import Name

    try:
        TypeAdapter(Name).validate_python(text)
    except ValidationError:
        return False
    return True


def _do(steps: list[Step], dry_run: bool, json: bool, after: list[str]) -> None:
    from failover.cli.installing import carry_out

    for step in steps:
        if not step.done and not dry_run:
            carry_out(step)
        if not json:
            printing.say(f"{'as it is' if step.done else 'would be' if dry_run else 'done'}: {step.words}")
    if json:
        told = [{"step": step.words, "needed": not step.done} for step in steps]
        printing.as_json({"ok": True, "dry_run": dry_run, "steps": told, "next": after})
    else:
        for words in after:
            printing.note(f"next: {words}")
