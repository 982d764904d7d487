"""Why `ssh` did not get there, in plain words with what to do next: it has one exit code for all of it, 255.

Read from its standard error (LogLevel INFO, LC_ALL=C), as OpenSSH 9.2 writes it. Knows nothing of the far side's work.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from config.models.fencing.ssh import SshMethodSettings
from failover.support.command import Outcome

TRANSPORT_FAILED = 255


@dataclass(frozen=True, slots=True)
class Reason:
    """`untouched`: nothing can have been run there."""

    words: str
    untouched: bool


_KNOWN: tuple[tuple[str, str, bool], ...] = (
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED|Host key for \S+ has changed",
        "its host key is another one than {known_hosts} has: it may be another machine; compare the fingerprint on its "
        "console, then renew the line",
        True,
    ),
    (
        r"host key is known for|Host key verification failed",
        "no host key of it is in {known_hosts}: get it with ssh-keyscan, and compare the fingerprint",
        True,
    ),
    (r"Could not resolve hostname", "its name cannot be resolved: write an IP address", True),
    (
        r"timed out during banner exchange",
        "its port {port} takes connections, but sshd says nothing: the host hangs; only a fence of its power helps",
        True,
    ),
    (r"Timeout, server .* not responding", "it froze while the fence ran there: what was done is not known", False),
    (
        r"(administratively prohibited|stdio forwarding failed|open failed)",
        "the jump host {jump} does not let through to it: allow permitopen there for this key, or look at the host",
        True,
    ),
    (r"Connection refused", "nothing listens on its port {port}: is sshd running?", True),
    (
        r"Connection timed out|Operation timed out",
        "no answer from its port {port}: the host is down, or the network is; only a fence of its power helps",
        True,
    ),
    (r"No route to host|Network is unreachable", "there is no way to it: the host is down, or the network is", True),
    (
        r"UNPROTECTED PRIVATE KEY FILE",
        "ssh does not use {key}, since others may read it: chmod 600 {key}",
        True,
    ),
    (
        r"Load key .*|Identity file .* not accessible",
        "the key {key} cannot be used: is it there, readable, and without a passphrase?",
        True,
    ),
    (
        r"Permission denied",
        "it does not accept the key {key} for {user}: is the key's line in its authorized_keys?",
        True,
    ),
    (
        r"Connection to \S+ closed by remote host|client_loop|Broken pipe",
        "the connection broke while the fence ran there: what was done is not known",
        False,
    ),
    (
        r"kex_exchange_identification|Connection (closed|reset) by",
        "it closed the connection before the login: look at sshd's log there (MaxStartups? a firewall?)",
        True,
    ),
)


def transport_reason(outcome: Outcome, settings: SshMethodSettings) -> Reason:
    """Why a run that ended with 255 did not get there, or did not come back."""
    said = f"{outcome.errors}\n{outcome.output}"
    for pattern, words, untouched in _KNOWN:
        found = re.search(pattern, said)
        if found:
            filled = words.format(
                key=settings.key, known_hosts=settings.known_hosts, user=settings.user, port=settings.port,
                jump=settings.jump,
            )  # fmt: skip
            return Reason(f"{filled} ({_line_of(said, found)})", untouched)
    words = (
        "ssh ended with 255 for no known reason; the fence may have been killed there, and what was done is not known"
    )
    return Reason(f"{words} ({outcome.describe()})", False)


def _line_of(text: str, found: re.Match[str]) -> str:
    begin = text.rfind("\n", 0, found.start()) + 1
    end = text.find("\n", found.end())
    line = text[begin : end if end >= 0 else len(text)].strip().strip("@ ")
    return line[:120]
