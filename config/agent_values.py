"""What may be handed to a fence agent: names that are ours, values that its parser would change, secrets by name.

An agent reads `name=value` lines from its standard input. Source: FenceAgentAPI.md and `fencing.py` of fence-agents
4.12. Knows no agent's own parameters: those are in its metadata.
"""

import re

_BY_US = "action option nodename agent delay quiet version help separator disable_timeout"
OWNED = frozenset(_BY_US.split())
OWNED_PREFIXES = ("verbose", "debug")
_IDLE = "ack_manual compute dummy evacuate heuristics_ping kdump watchdog"
NEVER_FENCE = frozenset(f"fence_{name}" for name in _IDLE.split())
"""They gate, witness or report; the node lives on."""
ON_TARGET = frozenset({"fence_mpath", "fence_scsi"})
PLUGS = ("plug", "port")
MISSING_AS_OFF = "missing_as_off"
SSL_INSECURE = "ssl_insecure"
TRUE, FALSE = frozenset({"1", "yes", "on", "true"}), frozenset({"0", "no", "off", "false"})
MASKED = "******"

_SECRET = r"pass(?:w(?:or)?d|phrase)?|[a-z0-9_]*_passwd|[a-z0-9_]*password|community|[a-z0-9_]*secret[a-z0-9_]*|"
_SECRET += r"[a-z0-9_]*token[a-z0-9_]*|[a-z0-9_]*api_?key|key_value|hexadecimal_kg|access_key[a-z0-9_]*"
_IS_SECRET = re.compile(_SECRET, re.ASCII)
_TOLD = re.compile(rf"(?i)(?<![a-z0-9_])((?:{_SECRET})\s*[=:]\s*)\S+", re.ASCII)


def folded(name: str) -> str:
    """One spelling: agents take `-` for `_`."""
    return name.replace("-", "_")


def is_owned(name: str) -> bool:
    """Whether only the controller may set it."""
    return folded(name) in OWNED or folded(name).startswith(OWNED_PREFIXES)


def is_secret(name: str) -> bool:
    """Whether its value is a secret, by its name."""
    return _IS_SECRET.fullmatch(folded(name)) is not None


def truth(value: object) -> bool | None:
    """What an agent takes it for; None: not a boolean."""
    text = str(value).lower()
    return True if text in TRUE else False if text in FALSE else None


def objection(text: str) -> tuple[str, str] | None:
    """What is wrong with a value, and what to do; None: the agent will read it as it is. Never repeats it."""
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        return "holds half a character (a surrogate)", "it cannot be handed over"
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        return "holds a line break or another control character", "the agent would read what follows as another option"
    if text != text.rstrip():
        return "ends with a blank, which the agent strips", "change the value"
    if len(text) > 1 and text[0] == text[-1] == '"':
        return "begins and ends with a double quote, which the agent strips", "change the value"
    return None


def masked(text: str, secrets: frozenset[str] = frozenset()) -> str:
    """The text without those secrets, and without what stands behind the name of a secret."""
    for secret in sorted((secret for secret in secrets if secret), key=len, reverse=True):
        text = text.replace(secret, MASKED)
    return _TOLD.sub(rf"\1{MASKED}", text)
