"""`tls:` of the store: whom to trust, and who we are.

Knows the settings only. Reads no file.
"""

from pydantic import Field, model_validator

from config.models.section import AbsolutePath, Section
from config.refusals import refusal
from config.secrets import SecretField


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
