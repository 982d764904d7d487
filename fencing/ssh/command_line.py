"""The command line of `ssh`: what is never asked, never trusted, never forwarded, and how long it may take.

Knows nothing of what is run on the far side. Every word comes from settings of narrow forms or is checked here: none
can be taken for an option. Source: ssh(1), ssh_config(5) of OpenSSH 9.2.
"""

from __future__ import annotations

import math
import re

from config.models.fencing.ssh import SshMethodSettings, split_jump

ALIVE_S, ALIVE_COUNT = 2, 2
"""A connection that has been silent for so long, so often, is given up: a host that freezes in mid-command."""
_HOST = re.compile(r"[A-Za-z0-9:][A-Za-z0-9.:_-]{0,252}", re.ASCII)


class BadAddressError(Exception):
    """The address is none that `ssh` may be given; the text says which."""


def ssh_argv(settings: SshMethodSettings, host: str, remote: str, program: str = "ssh") -> tuple[str, ...]:
    """Log in at `host` and run `remote`. Raises BadAddressError."""
    host = host.strip("[]")
    if not _HOST.fullmatch(host):
        raise BadAddressError(f"{host[:80]!r} is not an address for ssh")
    words = [program, "-T", "-n", *_options(settings), "-p", str(settings.port)]
    if settings.jump is not None:
        words += ["-o", f"ProxyCommand={_by_jump(settings, settings.jump, program)}"]
    return (*words, "--", f"{settings.user}@{host}", remote)


def _options(settings: SshMethodSettings) -> list[str]:
    options = {
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "BatchMode": "yes",
        "NumberOfPasswordPrompts": "0",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": str(settings.known_hosts),
        "GlobalKnownHostsFile": "/dev/null",
        "UpdateHostKeys": "no",
        "ConnectTimeout": str(math.ceil(settings.connect_timeout)),
        "ConnectionAttempts": "1",
        "ServerAliveInterval": str(ALIVE_S),
        "ServerAliveCountMax": str(ALIVE_COUNT),
        "ControlMaster": "no",
        "ControlPath": "none",
        "ClearAllForwardings": "yes",
        "ForwardAgent": "no",
        "ForwardX11": "no",
        "PermitLocalCommand": "no",
        "LogLevel": "INFO",
    }
    words = ["-F", "none", "-i", str(settings.key)]
    return words + [word for name, value in options.items() for word in ("-o", f"{name}={value}")]


def _by_jump(settings: SshMethodSettings, jump: str, program: str) -> str:
    """`-J` would not do: it gives the jump neither this key nor these known hosts. No word of it needs quoting."""
    user, host, port = split_jump(jump)
    words = [program, "-T", *_options(settings), "-p", str(port), "-W", "[%h]:%p"]
    return " ".join((*words, "--", f"{user or settings.user}@{host}"))
