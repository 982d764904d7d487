"""What the fence method `ssh` needs on this host: a key that needs nobody, the peers' host keys, a way past the peers.

Logs in nowhere: whether a peer lets us in is for `failoverctl fence probe`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from config.draft import Draft
from config.files import FileUnusableError
from config.models.fencing import SshMethodSettings
from config.models.fencing.ssh import split_jump
from config.placeholders import fill
from config.problems import Finding, KeyPath


def ssh_findings(draft: Draft) -> Iterator[Finding]:
    """Find what would keep `ssh` from getting in, or would lead by a host that may be the one to be fenced."""
    for name, method in draft.fencing.methods.items() if draft.fencing else ():
        if isinstance(method, SshMethodSettings):
            path = ("fencing", "methods", name)
            if draft.files:
                yield from _files(method, path, draft)
            yield from _jump(method, path, draft.nodes or {})
            yield from _ports(method, path)


def _files(method: SshMethodSettings, path: KeyPath, draft: Draft) -> Iterator[Finding]:
    """Loaded only where the kind is used: idle memory counts."""
    from config.ssh_files import read_key, read_known_hosts

    try:
        read_key(str(method.key))
    except FileUnusableError as error:
        yield _unusable((*path, "key"), error)
    try:
        lines = read_known_hosts(str(method.known_hosts))
    except FileUnusableError as error:
        yield _unusable((*path, "known_hosts"), error)
        return
    yield from _hosts(method, path, draft, lines)


def _hosts(method: SshMethodSettings, path: KeyPath, draft: Draft, lines: list[str]) -> Iterator[Finding]:
    from config.ssh_files import knows

    if method.jump is not None:
        _, host, port = split_jump(method.jump)
        if not knows(lines, host, port):
            yield _no_key((*path, "known_hosts"), host, port, "the jump host")
    for node, facts in (draft.nodes or {}).items():
        address = _address(method, node, facts)
        if node != draft.node and address and not knows(lines, address, method.port):
            yield _no_key((*path, "known_hosts"), address, method.port, node)


def _address(method: SshMethodSettings, node: str, facts: Mapping[str, str]) -> str:
    """As it would be filled in; "" where a fact is missing, which another check tells."""
    try:
        return fill((method.address,), {**facts, "name": node})[0].strip("[]")
    except KeyError:
        return ""


def _no_key(path: KeyPath, host: str, port: int, whose: str) -> Finding:
    scan = f"ssh-keyscan {host}" if port == 22 else f"ssh-keyscan -p {port} {host}"
    return Finding(path, f"no key for {host} ({whose})", f"get it with {scan}, and compare the fingerprint")


def _unusable(path: KeyPath, error: FileUnusableError) -> Finding:
    return Finding(path, str(error), error.hint, severity="warning" if error.unseen else "error")


def _jump(method: SshMethodSettings, path: KeyPath, nodes: Mapping[str, Mapping[str, str]]) -> Iterator[Finding]:
    if method.jump is None:
        return
    _, host, _ = split_jump(method.jump)
    for node, facts in nodes.items():
        if host in (node, _address(method, node, facts), facts.get("address")):
            hint = "it may be the very one that hangs: name a host that is none of the nodes, or none"
            yield Finding((*path, "jump"), f"{host} is the node {node}", hint)


def _ports(method: SshMethodSettings, path: KeyPath) -> Iterator[Finding]:
    if not method.ports:
        hint = "name the service's own: afterwards none of them may take a connection"
        yield Finding(path, "no ports are looked at after the strike", hint, severity="warning", at_key=True)
