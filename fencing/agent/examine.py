"""What is wrong with the options of fence agents, seen from the installed agents' own metadata.

`check-config` asks it before the daemon does, because agents ignore what they do not know. It runs each agent once, for
its metadata only; no device is asked.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from config import Config
from config.agent_values import MISSING_AS_OFF, ON_TARGET, folded, is_owned, truth
from config.draft import Draft, of_config
from config.models.fencing import AgentMethodSettings
from config.problems import Finding, KeyPath, did_you_mean
from config.secrets import Secret
from fencing.agent.discovery import FOLDERS, AgentError, installed
from fencing.agent.metadata import WHOLE_NUMBERS, Metadata, Parameter, metadata_of
from fencing.agent.options import OptionError, placeholders_in, tell
from fencing.target import Facts

log = logging.getLogger("failoverd")

POLL_S = 1.0
"""Between two looks of an agent at the power: `power_timeout` counts looks, not seconds."""
_ADDRESSES = ("plug", "port_as_ip")
Words = tuple[str, str]


def agent_findings(draft: Draft, folders: Sequence[str] = FOLDERS) -> Iterator[Finding]:
    """Find what the installed agents would ignore, misread or refuse. Blocks: some 100 ms for each agent."""
    methods = draft.fencing.methods if draft.fencing is not None else {}
    for name, method in methods.items():
        if isinstance(method, AgentMethodSettings):
            yield from _method(("fencing", "methods", name), method, draft.nodes or {}, folders)


def warn_of_agents(config: Config) -> None:
    """Say in the log what `check-config` would refuse. The controller runs on: without it nothing is safer."""
    for finding in agent_findings(of_config(config)):
        level = logging.ERROR if finding.severity == "error" else logging.WARNING
        log.log(level, "%s: %s; %s", ".".join(map(str, finding.path)), finding.message, finding.hint)


def _method(
    path: KeyPath, method: AgentMethodSettings, nodes: Mapping[str, Facts], folders: Sequence[str]
) -> Iterator[Finding]:
    known = installed(folders)
    try:
        metadata = metadata_of(method.agent, folders)
    except AgentError as error:
        yield _unusable(path, method.agent, error, known)
        return
    yield from _agent(path, metadata)
    wrong = [*_options(path, method, metadata), *_missing(path, method, metadata)]
    yield from wrong
    yield from _patience(path, method, metadata)
    if not any(finding.severity == "error" for finding in wrong):
        yield from _filled_in(path, method, metadata, nodes)


def _unusable(path: KeyPath, agent: str, error: AgentError, known: Mapping[str, object]) -> Finding:
    if not known:
        message = f"{agent} cannot be looked at here: no fence agent is installed on this host"
        hint = "run this on the host itself, or install Debian's package fence-agents"
        return Finding((*path, "agent"), message, hint, severity="warning")
    guess = did_you_mean(agent, known) if agent not in known else ""
    return Finding((*path, "agent"), str(error), f"{guess} {error.hint}".strip())


def _agent(path: KeyPath, metadata: Metadata) -> Iterator[Finding]:
    if metadata.on_target and metadata.agent not in ON_TARGET:
        message = f"{metadata.agent} must also run on the node itself before it may come back (unfencing)"
        yield Finding((*path, "agent"), message, "that is not supported: use a power device")
    if "status" not in metadata.actions or "off" not in metadata.actions:
        message = f"{metadata.agent} cannot tell whether a node is off, so it is never believed"
        yield Finding((*path, "agent"), message, "use an agent with the actions off and status")
    elif metadata.fabric:
        message = (
            f"{metadata.agent} cuts the node off and leaves it alive: that ends no chain alone, nor is it restored"
        )
        yield Finding((*path, "agent"), message, "put it into a level with one that takes the power", "warning")


def _options(path: KeyPath, method: AgentMethodSettings, metadata: Metadata) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for name, value in method.options.items():
        if is_owned(name):
            continue  # told without the metadata
        place = (*path, "options", name)
        parameter = metadata.parameter(name)
        if parameter is None:
            guess = did_you_mean(folded(name), metadata.names)
            hint = guess or f"failoverctl fence agents {metadata.agent} lists them"
            yield Finding(place, f"{metadata.agent} has no such parameter", hint, at_key=True)
            continue
        if parameter.name in seen:
            message = f"is the same parameter as {seen[parameter.name]}"
            yield Finding(place, message, f"write {parameter.name}, once", at_key=True)
            continue
        seen[parameter.name] = name
        if folded(name) != parameter.name:
            yield Finding(place, "is an old name", f"write {parameter.name}", severity="warning", at_key=True)
        words = _value(parameter, value)
        if words:
            yield Finding(place, *words)


def _value(parameter: Parameter, value: object) -> Words | None:
    if isinstance(value, (Secret, tuple)):
        return None
    if isinstance(value, str) and "{node." in value:
        return None  # looked at once it is filled in
    if parameter.kind == "boolean":
        return None if truth(value) is not None else (f"is not a boolean: {_shown(value)}", "write true or false")
    if isinstance(value, bool):
        return f"expected {_expected(parameter)}, found {_shown(value)}", "put a text in quotes"
    if parameter.kind in WHOLE_NUMBERS and not str(value).isdigit():
        unit = " of seconds" if parameter.kind == "second" else ""
        return f"expected a whole number{unit}, found {_shown(value)}", "without a unit"
    if parameter.kind == "select" and parameter.choices and str(value) not in parameter.choices:
        return f"{_shown(value)} is not one of {', '.join(parameter.choices)}", did_you_mean(
            str(value), parameter.choices
        )
    return None


def _expected(parameter: Parameter) -> str:
    return {"integer": "a whole number", "second": "a whole number of seconds"}.get(parameter.kind, "text")


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{str(value)[:60]}"'


def _missing(path: KeyPath, method: AgentMethodSettings, metadata: Metadata) -> Iterator[Finding]:
    given = {parameter.name for name in method.options if (parameter := metadata.parameter(name))}
    place = (*path, "options")
    for parameter in metadata.parameters.values():
        needed = parameter.required and not parameter.default and not is_owned(parameter.name)
        if parameter.name not in given and (needed or _is_the_address(parameter, metadata, given)):
            message = f"{metadata.agent} needs {parameter.name}"
            yield Finding(place, message, parameter.about, at_key=True)
    dangerous = metadata.parameter(MISSING_AS_OFF)
    if dangerous is not None and dangerous.on_by_default and dangerous.name not in given:
        message = f"{metadata.agent} takes a misspelt plug for a node that is off, unless it is told not to"
        yield Finding(place, message, f"write {MISSING_AS_OFF}: false", at_key=True)
    way = metadata.parameter("method")
    if way is not None and way.default == "cycle" and way.name not in given:
        message = f"{metadata.agent} cycles the power by default, which cannot be read back"
        yield Finding(place, message, "write method: onoff", at_key=True)


def _is_the_address(parameter: Parameter, metadata: Metadata, given: set[str]) -> bool:
    """`ip` is marked as optional only because the plug may stand for it (port_as_ip)."""
    optional = parameter.name == "ip" and not parameter.default and metadata.parameter("port_as_ip") is not None
    return optional and not given.issuperset(_ADDRESSES)


def _patience(path: KeyPath, method: AgentMethodSettings, metadata: Metadata) -> Iterator[Finding]:
    number = partial(_number, method, metadata)
    looks = number("power_timeout")
    plugs = max((len(value) for value in method.options.values() if isinstance(value, tuple)), default=1)
    needed_s = plugs * (number("login_timeout") + number("power_wait") + looks * POLL_S)
    if looks and method.timeout < needed_s:
        each = f", for each of {plugs} plugs" if plugs > 1 else ""
        message = f"is shorter than the agent may need: {needed_s:g} s to log in and look {looks} times{each}"
        hint = "lengthen it, or set power_timeout (a number of looks) lower"
        yield Finding((*path, "timeout"), message, hint, severity="warning")


def _number(method: AgentMethodSettings, metadata: Metadata, name: str) -> int:
    parameter = metadata.parameter(name)
    if parameter is None:
        return 0
    written = next((value for key, value in method.options.items() if metadata.parameter(key) == parameter), None)
    text = str(parameter.default if written is None else written)
    return int(text) if text.isdigit() else 0


def _filled_in(
    path: KeyPath, method: AgentMethodSettings, metadata: Metadata, nodes: Mapping[str, Facts]
) -> Iterator[Finding]:
    """For each node: what only its facts make wrong."""
    options = {name: value for name, value in method.options.items() if placeholders_in({name: value})}
    for node, facts in nodes.items():
        try:
            tell(options, metadata, {"address": "", **facts, "name": node})
        except OptionError as reason:
            if "is not known" not in str(reason):  # told without the metadata
                yield Finding((*path, "options"), f"for {node}: {reason}", "change the fact of that node", at_key=True)
