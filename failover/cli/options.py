"""The options that several commands share, worded once."""

from pathlib import Path
from typing import Annotated

import typer

from failover.cli.whereabouts import CA_ENV, CONFIG_ENV, TOKEN_ENV

Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help=f"The controller's file. Default: ${CONFIG_ENV}, else the only one."),
]
Url = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="A controller's API, in place of the local one."),
]
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", metavar="FILE", help=f"A file that holds one token. Default: ${TOKEN_ENV}."),
]
Ca = Annotated[
    Path | None,
    typer.Option(
        "--ca", metavar="FILE", help=f"The CA of an https API. Default: ${CA_ENV}, else the file's api.tls.ca."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it stays in the history.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the end.")]
Timeout = Annotated[float, typer.Option("--timeout", metavar="SECONDS", min=1.0, help="How long to wait for the end.")]
