"""fence-local: the far side of the fence method `ssh`. Ends this host's controller and service, and proves it (S7).

Runs as the forced command of a peer's key. What may be ended is named here, on this host; the peer can only ask for
exactly that. It must start fast, so nothing here imports the daemon, its models or YAML unless a file must be read.
"""

from failover.cli.fence_local.command import main, make_parser

__all__ = ["main", "make_parser"]
