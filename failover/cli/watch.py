"""watch: the service as it changes. Changes nothing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from failover.cli import options

if TYPE_CHECKING:
    from failover.cli.watching.screens import Screen


def watch(
    config: options.Config = None,
    url: options.Url = None,
    token_file: options.TokenFile = None,
    ca: options.Ca = None,
    json: options.Json = False,
) -> None:
    """Every node as it changes, until Ctrl-C. `--json`: one line for each piece of news."""
    import asyncio

    from failover.cli.client import Client, trust_in
    from failover.cli.watching.run import Watch
    from failover.cli.watching.streams import Place
    from failover.cli.whereabouts import find

    where = find(config, url, token_file, ca)
    with Client(where) as client:
        cluster = client.get("/v1/cluster")  # a wrong address is said at once, not tried for ever
    home = Place(where.url, where.socket_path, where.token, trust_in(where.ca) if where.https else None)
    try:
        asyncio.run(Watch(home, cluster, _screen(json)).run())
    except KeyboardInterrupt:  # before the signals were waited for: the same end
        return


def _screen(json: bool) -> Screen:
    from failover.cli.watching.screens import JsonLines, Lines, Picture

    if json:
        return JsonLines()
    return Picture() if sys.stdout.isatty() else Lines()
