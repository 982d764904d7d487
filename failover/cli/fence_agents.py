"""fence agents: which fence agents are installed, and what one takes, in the words of our YAML. Asks no device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from failover.cli import options, printing
from failover.cli.exit_codes import ExitCode
from failover.cli.failures import CommandFailed

if TYPE_CHECKING:
    from fencing.agent.metadata import Metadata, Parameter


def agents(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="What this one takes.")] = None,
    json: options.Json = False,
) -> None:
    """The fence agents that are installed on this host, or the parameters of one."""
    from fencing.agent.discovery import installed

    if name is not None:
        _one(name, json)
        return
    found = [_brief(each) for each in installed()]
    if json:
        printing.as_json(found)
    elif found:
        printing.table(("AGENT", "WHAT IT IS FOR"), ((each["agent"], each["about"]) for each in found))
    else:
        printing.say("no fence agent is installed; Debian's package fence-agents has most of them")


def _brief(name: str) -> dict[str, str]:
    from fencing.agent.discovery import AgentError
    from fencing.agent.metadata import metadata_of

    try:
        return {"agent": name, "about": metadata_of(name).about}
    except AgentError as error:
        return {"agent": name, "about": f"cannot be used: {error}"}


def _one(name: str, json: bool) -> None:
    from config.problems import did_you_mean
    from fencing.agent.discovery import AgentError, installed
    from fencing.agent.metadata import metadata_of

    wanted = name if name.startswith("fence_") else f"fence_{name}"
    try:
        metadata = metadata_of(wanted)
    except AgentError as error:
        known = installed()
        hint = did_you_mean(wanted, known) if wanted not in known else ""
        raise CommandFailed(str(error), hint or error.hint, ExitCode.CONFIG_ERROR) from None
    if json:
        printing.as_json(_told(metadata))
        return
    for line in _as_yaml(metadata):
        printing.say(line)


def _told(metadata: Metadata) -> dict[str, Any]:
    parameters = [
        {
            "name": each.name,
            "kind": each.kind,
            "default": each.default,
            "choices": list(each.choices),
            "required": each.required,
            "old_names": list(each.old_names),
            "about": each.about,
        }
        for each in _ours(metadata)
    ]
    return {
        "agent": metadata.agent,
        "about": metadata.about,
        "actions": sorted(metadata.actions),
        "parameters": parameters,
    }


def _ours(metadata: Metadata) -> list[Parameter]:
    """Those that may be written, the required ones first."""
    from config.agent_values import is_owned

    written = [each for each in metadata.parameters.values() if not is_owned(each.name)]
    return sorted(written, key=lambda each: (not each.required, each.name))


def _as_yaml(metadata: Metadata) -> Iterator[str]:
    yield f"# {metadata.agent}: {metadata.about}"
    yield "power:"
    yield "  kind: agent"
    yield f"  agent: {metadata.agent}"
    yield "  options:"
    for each in _ours(metadata):
        required = " Required." if each.required else ""
        old = f" Old name: {', '.join(each.old_names)}." if each.old_names else ""
        yield f"    # {each.about.rstrip('.')}.{required}{old}"
        yield f"    {'' if each.required else '# '}{each.name}: {_example(each)}"


def _example(parameter: Parameter) -> str:
    from config.agent_values import FALSE, is_secret

    if is_secret(parameter.name):
        return f"{{file: /etc/failoverd/{parameter.name}.secret}}"
    if parameter.kind == "boolean":
        return "false" if not parameter.default or parameter.default.lower() in FALSE else "true"
    if parameter.default:
        plain = parameter.default.replace("_", "").replace("/", "").isalnum()
        return parameter.default if plain else "'" + parameter.default.replace("'", "''") + "'"
    if parameter.choices:
        return parameter.choices[0]
    return {"integer": "0", "second": "0"}.get(parameter.kind, '"…"')
