"""The tokens of the REST API: a file of lines `name role token`.

Knows the file's form and the three roles; what a role may do is the API's matter.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import PlainSerializer, PlainValidator, ValidationInfo, WithJsonSchema

from config.problems import did_you_mean
from config.refusals import refusal
from config.secrets import (
    REFERENCE_SCHEMA,
    Secret,
    SecretReference,
    SecretUnreadableError,
    follow,
    read_reference,
    wants_secrets,
)

TokenRole = Literal["read", "operate", "admin"]
ROLES: tuple[TokenRole, ...] = ("read", "operate", "admin")
MOST_TOKENS = 1000
_FORM = "each line is: name role token"


@dataclass(frozen=True, slots=True)
class Token:
    """Who may do what with which secret."""

    name: str
    role: TokenRole
    secret: Secret


@dataclass(frozen=True, slots=True)
class Tokens:
    """All tokens of one file; `entries` is empty when the file was loaded without its secrets."""

    reference: SecretReference
    entries: tuple[Token, ...] = field(default=())


def read_tokens(reference: SecretReference) -> Tokens:
    """Read the file of tokens. Raises SecretUnreadableError, with the line but never its token."""
    entries: list[Token] = []
    for number, line in enumerate(follow(reference).splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            entries.append(_token(line, reference, number))
    if not entries:
        raise SecretUnreadableError(f"{reference} holds no token", _FORM)
    if len(entries) > MOST_TOKENS:
        raise SecretUnreadableError(f"{reference} holds more than {MOST_TOKENS} tokens")
    for what, values in (
        ("name", [token.name for token in entries]),
        ("token", [token.secret.reveal() for token in entries]),
    ):
        if len(set(values)) < len(values):
            raise SecretUnreadableError(f"{reference} holds the same {what} twice")
    return Tokens(reference, tuple(entries))


def _token(line: str, reference: SecretReference, number: int) -> Token:
    where = f"{reference} line {number}"
    words = line.split()
    if len(words) != 3:
        raise SecretUnreadableError(f"{where} has {len(words)} words, not three", _FORM)
    name, role, text = words
    if role not in ROLES:
        guess = did_you_mean(role, ROLES)
        message = f"{where}: the role must be {', '.join(ROLES[:-1])} or {ROLES[-1]}"
        raise SecretUnreadableError(message, guess or _FORM)
    return Token(name, role, Secret(reference, text))


def _validate(value: object, info: ValidationInfo) -> Tokens:
    if isinstance(value, Tokens):
        return value
    reference = read_reference(value)
    if not wants_secrets(info):
        return Tokens(reference)
    try:
        return read_tokens(reference)
    except SecretUnreadableError as error:
        raise refusal(str(error), error.hint) from None


TokensField = Annotated[
    Tokens,
    PlainValidator(_validate),
    PlainSerializer(lambda tokens: tokens.reference.as_written(), return_type=dict[str, str]),
    WithJsonSchema(REFERENCE_SCHEMA),
]
