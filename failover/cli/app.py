"""The commands, gathered. Only typer is imported here; each command imports what it needs."""

from __future__ import annotations

import typer

from failover.cli import files, install, last_will, ordering, reading, watch
from failover.cli.exit_codes import ExitCode
from failover.cli.fence import fence

_CODES = "Exit codes: " + ", ".join(f"{code} {code.name.lower().replace('_', ' ')}" for code in ExitCode)
_PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def _tell_version(asked: bool) -> None:
    if asked:
        from failover.daemon.__main__ import package_version

        typer.echo(f"failoverctl {package_version()}")
        raise typer.Exit


app = typer.Typer(
    name="failoverctl",
    epilog=_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (
    reading.status,
    watch.watch,
    reading.why,
    reading.history,
    ordering.switchover,
    ordering.failover,
    ordering.pause,
    ordering.resume,
    ordering.drain,
    ordering.undrain,
    files.check_config,
    files.schema,
    install.install,
    install.uninstall,
    last_will.last_will,
):
    app.command(command.__name__.replace("_", "-"))(command)
app.command("format")(files.format_store)
app.add_typer(fence)


@app.callback()
def every_command(
    version: bool = typer.Option(False, "--version", callback=_tell_version, is_eager=True, help="Print the version."),
) -> None:
    """See and steer a service that failoverd keeps available."""


@app.command("may-start", context_settings=_PASSED_ON)
def may_start(context: typer.Context) -> None:
    """For ExecCondition= of the service's unit: may it be started now?"""
    from failover.cli.may_start import main

    raise typer.Exit(main(context.args))


@app.command("fence-local", hidden=True, context_settings=_PASSED_ON)
def fence_local(context: typer.Context) -> None:
    """The far side of the fence method ssh: for a peer's key in authorized_keys."""
    from failover.cli.fence_local import main

    raise typer.Exit(main(context.args))


@app.command("demo", context_settings=_PASSED_ON)
def demo(context: typer.Context) -> None:
    """A whole cluster on this host, to look at and to break."""
    from failover.demo import main

    raise typer.Exit(main(context.args))
