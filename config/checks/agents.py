"""Fence agents: what is wrong whatever the installed agent takes. The rest needs its metadata: `fencing.agent.examine`.

Starts no program.
"""

from collections.abc import Iterator

from config.agent_values import (
    MISSING_AS_OFF,
    NEVER_FENCE,
    ON_TARGET,
    PLUGS,
    SSL_INSECURE,
    folded,
    is_owned,
    is_secret,
    objection,
    truth,
)
from config.draft import Draft
from config.models.fencing import AgentMethodSettings, FencingSettings
from config.problems import Finding, KeyPath
from config.secrets import Secret

Words = tuple[str, str]


def agent_findings(draft: Draft) -> Iterator[Finding]:
    """Find options that an agent must not be given, and agents that do not fence."""
    if draft.fencing is None:
        return
    yield from _levels_without_a_fence(draft.fencing)
    for name, method in draft.fencing.methods.items():
        if isinstance(method, AgentMethodSettings):
            yield from _method(("fencing", "methods", name), method)


def _levels_without_a_fence(fencing: FencingSettings) -> Iterator[Finding]:
    told = set()
    for level in fencing.levels:
        methods = [fencing.methods.get(name) for name in level]
        idle = [method for method in methods if isinstance(method, AgentMethodSettings) and method.agent in NEVER_FENCE]
        if idle and len(idle) == len(methods) and level[0] not in told:
            told.add(level[0])
            message = f"{idle[0].agent} does not fence: the node would live on"
            path = ("fencing", "methods", level[0], "agent")
            yield Finding(path, message, "add a method to its level that takes the node's power")


def _method(path: KeyPath, method: AgentMethodSettings) -> Iterator[Finding]:
    if method.agent in ON_TARGET:
        message = f"{method.agent} must also run on the node itself before it may come back (unfencing)"
        yield Finding((*path, "agent"), message, "that is not supported: use a power device")
    if method.agent == "fence_redfish" and "systems_uri" not in {folded(name) for name in method.options}:
        message = "fence_redfish needs systems_uri: without it it takes the last system of the BMC"
        yield Finding((*path, "options"), message, "name it: systems_uri: /redfish/v1/Systems/1, say", at_key=True)
    for name, value in method.options.items():
        place = (*path, "options", name)
        words = _option(name, value) or _insecure(folded(name), value, method)
        if words:
            yield Finding(place, *words, at_key=is_owned(name))
        elif folded(name) == SSL_INSECURE and truth(value):
            message = "anyone on the device's network can answer OFF for it"
            yield Finding(place, message, "better: ca: PATH of the certificate that signed the device's", "warning")


def _option(name: str, value: object) -> Words | None:
    if is_owned(name):
        return "is set by the controller, not by you", "take it out"
    if isinstance(value, Secret):
        return objection(value.reveal()) if value.is_read else None
    if is_secret(name):
        hint = "put it into a file with mode 0600 and write {file: /etc/failoverd/NAME}"
        return "a secret must not be written here", hint
    return _plug(folded(name), value) or _dangerous(folded(name), value) or _text(value)


def _plug(name: str, value: object) -> Words | None:
    if isinstance(value, tuple):
        if name not in PLUGS:
            return "expected one value, found a list", "only plugs may be several"
        return ("a plug holds a comma", "write each plug by itself") if any("," in plug for plug in value) else None
    if name in PLUGS and isinstance(value, str) and "," in value:
        parts = ", ".join(part.strip() for part in value.split(","))
        return "holds a comma: the agent would take it for several plugs", f"if that is meant, write [{parts}]"
    return None


def _dangerous(name: str, value: object) -> Words | None:
    if name == MISSING_AS_OFF and truth(value) is not False:
        return "a misspelt plug would look like a node that is off", "take it out"
    if name == "method" and value == "cycle":
        return "a power cycle cannot be read back: nothing would show that the node was off", "write method: onoff"
    return None


def _insecure(name: str, value: object, method: AgentMethodSettings) -> Words | None:
    if name == SSL_INSECURE and truth(value) and not method.allow_insecure:
        hint = "write ca: PATH of the certificate that signed the device's; or allow_insecure: true beside options"
        return "anyone on the device's network could answer OFF for it", hint
    return None


def _text(value: object) -> Words | None:
    texts = value if isinstance(value, tuple) else (value,)
    found = (objection(text) for text in texts if isinstance(text, str))
    return next((words for words in found if words), None)
