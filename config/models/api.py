"""`api:` where this controller answers, and to whom.

Knows the settings only; what a role may do is the API's own matter.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from config.addresses import Address
from config.models.section import Section, Switch, derived
from config.models.tls import ApiTlsSettings
from config.secrets import SecretField
from config.tokens import TokensField

LISTEN = "127.0.0.1:8300"


class ApiSettings(Section):
    """The REST API and the status page."""

    listen: Address = Field(default=LISTEN, description="The address to listen on.")
    advertise: Address = Field(
        default=LISTEN,
        description="The address that peers are told; not a wildcard. Default: as `listen`.",
        json_schema_extra=derived,
    )
    tokens: TokensField | None = Field(
        default=None,
        description="A file of lines `name role token`; roles are read, operate, admin. "
        "Without it every POST over TCP is refused.",
    )
    peer_secret: SecretField | None = Field(
        default=None,
        description="The secret that all controllers share; fencing by `controller` needs it.",
    )
    tls: ApiTlsSettings | None = Field(
        default=None, description="https on `listen`, and nothing else there. The Unix socket stays as it is."
    )
    allow_loopback: Switch = Field(
        default=False,
        description="Allow fencing by `controller` at a loopback address: "
        "for tests and trials of several controllers on one host.",
    )

    @model_validator(mode="before")
    @classmethod
    def _advertise_where_we_listen(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and "listen" in data and "advertise" not in data:
            return {**data, "advertise": data["listen"]}
        return data
