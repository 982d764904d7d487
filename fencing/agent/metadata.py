"""What an agent takes and can do, in its own words: `action=metadata`, read once for each version of the program.

Old names of a parameter are folded into the new one. Source: fence-agents' metadata.rng.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from config.agent_values import TRUE, folded
from failover.support.command import DEFAULT_PATH
from fencing.agent.discovery import FOLDERS, AgentError, find

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

LIMIT_S = 20.0
LARGEST = 1024 * 1024
WHOLE_NUMBERS = frozenset({"integer", "second"})


@dataclass(frozen=True, slots=True)
class Parameter:
    """One of an agent's parameters. `kind`: string, boolean, integer, second or select; `default` "": there is none."""

    name: str
    kind: str = "string"
    default: str = ""
    choices: tuple[str, ...] = ()
    required: bool = False
    old_names: tuple[str, ...] = ()
    about: str = ""

    @property
    def on_by_default(self) -> bool:
        """A boolean that must be said to be off: leaving it out leaves it on."""
        return self.kind == "boolean" and self.default.lower() in TRUE


@dataclass(frozen=True, slots=True)
class Metadata:
    """An agent. `parameters` by their new names; `names`: every accepted name, and the new one."""

    agent: str
    path: Path
    about: str = ""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    actions: frozenset[str] = frozenset()
    on_target: bool = False

    def parameter(self, name: str) -> Parameter | None:
        """By any of its names."""
        return self.parameters.get(self.names.get(folded(name), ""))

    @property
    def fabric(self) -> bool:
        """It cuts off from storage or network; the node keeps its power."""
        return "reboot" not in self.actions


_known: dict[tuple[str, int, int], Metadata] = {}


def metadata_of(name: str, folders: Sequence[str] = FOLDERS) -> Metadata:
    """Ask the agent, unless this very file was asked before. Blocks, up to LIMIT_S seconds. Raises AgentError."""
    try:
        path = find(name, folders)
        told = path.stat()
    except OSError as error:  # it is being replaced, or may not be looked at
        raise AgentError(f"{name} cannot be looked at: {error.strerror}") from None
    key = (str(path), told.st_mtime_ns, told.st_size)
    if key not in _known:
        _known[key] = read(name, path, _ask(path))
    return _known[key]


def _ask(path: Path) -> bytes:
    environment = {"PATH": DEFAULT_PATH, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            [str(path)], input=b"action=metadata\n", capture_output=True, timeout=LIMIT_S, check=False,
            cwd="/", env=environment, start_new_session=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise AgentError(f"{path} did not tell its parameters in {LIMIT_S:g} s") from None
    except OSError as error:
        raise AgentError(f"{path} cannot be run: {error.strerror}") from None
    if done.returncode != 0 or not done.stdout or len(done.stdout) > LARGEST:
        said = (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["it said nothing"])[-1][:200]
        raise AgentError(f"{path} does not tell its parameters (exit {done.returncode}: {said})")
    return done.stdout


def read(name: str, path: Path, text: bytes) -> Metadata:
    """Read the XML. Raises AgentError."""
    from xml.etree import ElementTree

    start = text.find(b"<?xml")
    try:
        root = ElementTree.fromstring(text[max(start, 0) :])
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # an encoding that is none, too
        raise AgentError(f"what {path} tells of its parameters is no XML: {error}") from None
    parameters = _folded({parameter.name: parameter for parameter in _parameters(root)}, root)
    names = {old: each.name for each in parameters.values() for old in (*each.old_names, each.name)}
    actions = [action for action in root.iter("action") if action.get("name")]
    return Metadata(
        agent=name,
        path=path,
        about=" ".join(root.get("shortdesc", "").split())[:200],
        parameters=parameters,
        names={folded(old): new for old, new in names.items()},
        actions=frozenset(action.get("name", "") for action in actions),
        on_target=any(action.get("on_target") == "1" for action in actions),
    )


def _parameters(root: Element) -> Iterator[Parameter]:
    for element in root.iter("parameter"):
        content = element.find("content")
        about = element.findtext("shortdesc") or ""
        yield Parameter(
            name=folded(element.get("name", "")),
            kind=content.get("type", "string") if content is not None else "string",
            default=content.get("default", "") if content is not None else "",
            choices=tuple(option.get("value", "") for option in content.iter("option")) if content is not None else (),
            required=element.get("required") == "1",
            about=" ".join(about.split())[:300],
        )


def _folded(found: Mapping[str, Parameter], root: Element) -> dict[str, Parameter]:
    """Required by either name is required."""
    new_names = {folded(each.get("obsoletes", "")): folded(each.get("name", "")) for each in root.iter("parameter")}
    new_names.pop("", None)
    folded_ones: dict[str, Parameter] = {}
    for name, each in found.items():
        if name in new_names and new_names[name] != name:
            continue
        old = tuple(sorted(was for was, now in new_names.items() if now == name and was != name))
        required = each.required or any(found[was].required for was in old if was in found)
        folded_ones[name] = Parameter(name, each.kind, each.default, each.choices, required, old, each.about)
    return folded_ones
