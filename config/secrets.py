"""Secrets by reference only: `{file: PATH}`, `{credential: NAME}` or `{env: NAME}`, read once, never shown.

A credential is what systemd put into $CREDENTIALS_DIRECTORY (LoadCredential=, systemd.exec(5)).

A secret's text is in no message, no repr and no dump. Knows not what a secret is for.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import PlainSerializer, PlainValidator, ValidationInfo, WithJsonSchema

from config.files import read_regular, reason_of
from config.refusals import refusal

LARGEST_BYTES = 64 * 1024
OPEN = 0o077
"""Bits of a mode that no secret has."""
OPEN_CREDENTIAL = 0o037
"""systemd may let a unit's user read by an access control list, whose mask then stands where the group's bits are."""
CREDENTIALS = "CREDENTIALS_DIRECTORY"
_EXPECTED = "write {file: /etc/failoverd/NAME}, {credential: NAME} or {env: NAME}"
_CREDENTIAL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}", re.ASCII)


class SecretUnreadableError(Exception):
    """A reference that cannot be followed. `hint` says what to do; the text says why."""

    def __init__(self, message: str, hint: str = "") -> None:
        """Keep both; neither may ever hold the secret's text."""
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class SecretReference:
    """Where a secret is kept."""

    kind: Literal["file", "env", "credential"]
    where: str

    def __str__(self) -> str:
        """Give the reference as it is written in the file."""
        return f"{{{self.kind}: {self.where}}}"

    def as_written(self) -> dict[str, str]:
        """Give the mapping of the YAML file."""
        return {self.kind: self.where}


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret. Its repr shows where it is kept; only `reveal` gives the text."""

    reference: SecretReference
    _text: str | None = field(default=None, repr=False)

    @property
    def is_read(self) -> bool:
        """Tell whether the text is at hand."""
        return self._text is not None

    def reveal(self) -> str:
        """Give the text. Raises LookupError when the file was loaded without its secrets."""
        if self._text is None:
            raise LookupError(f"secret {self.reference} was not read: load with read_secrets=True")
        return self._text

    def __repr__(self) -> str:
        """Give the place, never the text."""
        return f"Secret({self.reference}, ******)"

    __str__ = __repr__


def follow(reference: SecretReference) -> str:
    """Read what the reference points at.

    Raises SecretUnreadableError: missing, not a file, readable by others, too large, not UTF-8.
    """
    if reference.kind == "env":
        text = os.environ.get(reference.where)
        if text is None:
            raise SecretUnreadableError(f"environment variable {reference.where} is not set")
        return text
    path = reference.where if reference.kind == "file" else _credential(reference.where)
    try:
        return _read_file(path, OPEN if reference.kind == "file" else OPEN_CREDENTIAL).decode()
    except UnicodeDecodeError:
        raise SecretUnreadableError(f"{path} is not UTF-8 text") from None
    except (OSError, ValueError) as error:
        hint = f"it must belong to user {os.geteuid()}, as which this runs, mode 0600"
        message = f"cannot read {path}: {reason_of(error)}"
        raise SecretUnreadableError(message, hint if isinstance(error, PermissionError) else "") from None


def _credential(name: str) -> str:
    folder = os.environ.get(CREDENTIALS, "")
    if not folder.startswith("/"):
        hint = f"write LoadCredential={name}:/etc/failoverd/{name} into the controller's unit, or use {{file: PATH}}"
        raise SecretUnreadableError(f"no credentials were given to this process (${CREDENTIALS} is not set)", hint)
    return os.path.join(folder, name)


def _read_file(path: str, open_bits: int) -> bytes:
    content = read_regular(path, LARGEST_BYTES)
    if content is None:
        raise SecretUnreadableError(f"{path} is not a regular file")
    if content.mode & open_bits:
        message = f"{path} is open to other users (mode {content.mode:04o})"
        raise SecretUnreadableError(message, f"chmod 600 {path}")
    if len(content.data) > LARGEST_BYTES:
        raise SecretUnreadableError(f"{path} is larger than {LARGEST_BYTES} bytes")
    return content.data


def one_line(reference: SecretReference) -> str:
    """Read a secret of exactly one line. Raises SecretUnreadableError."""
    text = follow(reference).rstrip("\r\n")
    if not text.strip():
        raise SecretUnreadableError(f"secret {reference} is empty")
    if len(text.splitlines()) > 1:
        raise SecretUnreadableError(f"secret {reference} has more than one line", "keep only one")
    return text


def read_reference(value: object) -> SecretReference:
    """Read `{file: PATH}` or `{env: NAME}`; literal text is refused, and never repeated."""
    if isinstance(value, str):
        raise refusal("a secret must not be written here", _EXPECTED)
    if not isinstance(value, Mapping) or len(value) != 1:
        raise refusal("expected a reference to a secret", _EXPECTED)
    ((kind, where),) = value.items()
    if not isinstance(where, str) or not where or "\0" in where:
        raise refusal("expected a reference to a secret", _EXPECTED)
    if kind == "env":
        return SecretReference("env", where)
    if kind == "credential":
        if not _CREDENTIAL.fullmatch(where):
            raise refusal(f'"{where[:80]}" is not the name of a credential', _EXPECTED)
        return SecretReference("credential", where)
    if kind != "file":
        raise refusal("a secret is kept in a file, a credential of systemd or an environment variable", _EXPECTED)
    if not where.startswith("/"):
        raise refusal(f'"{where[:80]}" is not an absolute path', _EXPECTED)
    return SecretReference("file", where)


def wants_secrets(info: ValidationInfo) -> bool:
    """Tell whether this validation is to follow references (it is, unless told otherwise)."""
    return not isinstance(info.context, Mapping) or bool(info.context.get("read_secrets", True))


def read_secret(value: object, info: ValidationInfo) -> Secret:
    """Follow a reference as it is written, unless this validation reads no secrets; for validators."""
    if isinstance(value, Secret):
        return value
    reference = read_reference(value)
    if not wants_secrets(info):
        return Secret(reference)
    try:
        return Secret(reference, one_line(reference))
    except SecretUnreadableError as error:
        raise refusal(str(error), error.hint) from None


REFERENCE_SCHEMA = {
    "type": "object",
    "format": "failover-secret",
    "additionalProperties": False,
    "minProperties": 1,
    "maxProperties": 1,
    "properties": {
        "file": {"type": "string", "pattern": "^/", "description": "a file with mode 0600"},
        "env": {"type": "string", "minLength": 1, "description": "an environment variable"},
        "credential": {
            "type": "string",
            "pattern": f"^{_CREDENTIAL.pattern}$",
            "description": "what systemd gave to the controller's unit by LoadCredential=",
        },
    },
}

SecretField = Annotated[
    Secret,
    PlainValidator(read_secret),
    PlainSerializer(lambda secret: secret.reference.as_written(), return_type=dict[str, str]),
    WithJsonSchema(REFERENCE_SCHEMA),
]
