"""`tls:` of the store and of the API: whom to trust, and who we are.

Knows the settings only. Reads no file.
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from config.models.section import AbsolutePath, Section, Text
from config.refusals import refusal
from config.secrets import SecretField
from config.tokens import TokenRole

CertificateName = Annotated[Text, AfterValidator(str.strip)]


class StoreTlsSettings(Section):
    """TLS to ZooKeeper. Every file is PEM, and read anew for each connection: renewed ones need no restart."""

    ca: AbsolutePath = Field(
        description="The CA that signed the servers' certificates; no other is trusted. "
        "A certificate must name the server as `hosts` does."
    )
    cert: AbsolutePath | None = Field(
        default=None,
        description="Our own certificate (and what leads up to its CA). "
        "Without it and `key` none is shown: for servers with `ssl.clientAuth=none`.",
    )
    key: AbsolutePath | None = Field(default=None, description="Its private key, mode 0600.")
    key_password: SecretField | None = Field(default=None, description="The password of an encrypted `key`.")

    @model_validator(mode="after")
    def _agrees(self) -> "StoreTlsSettings":
        if (self.cert is None) != (self.key is None):
            raise refusal("cert and key go together", "write both, or none where the servers ask for none")
        if self.key_password is not None and self.key is None:
            raise refusal("key_password without key", "write cert and key, too, or remove it")
        return self


class ApiTlsSettings(Section):
    """https for the API. Every file is PEM; renewed ones count from the next connection on, without a restart."""

    cert: AbsolutePath = Field(
        description="This controller's certificate (and what leads up to its CA). "
        "It must name the host of `api.advertise`."
    )
    key: AbsolutePath = Field(description="Its private key, mode 0600.")
    key_password: SecretField | None = Field(default=None, description="The password of an encrypted `key`.")
    ca: AbsolutePath = Field(
        description="The CA that signed every controller's certificate: with it peers, and `failoverctl`, are checked."
    )
    client_ca: AbsolutePath | None = Field(
        default=None,
        description="The CA whose certificates clients may show instead of a token. Default: none is asked.",
    )
    clients: Mapping[CertificateName, TokenRole] = Field(
        default_factory=dict,
        description="The role (read, operate, admin) of each client's certificate, by its CN.",
    )

    @model_validator(mode="after")
    def _agrees(self) -> "ApiTlsSettings":
        if (self.client_ca is None) != (not self.clients):
            hint = "write client_ca: PATH and clients: {NAME: operate}, or none of them"
            raise refusal("client_ca and clients go together", hint)
        return self
