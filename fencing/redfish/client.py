"""One BMC, asked over Redfish: small answers, short waits, and words for everything that goes wrong.

Basic authentication goes with each request: sessions leak on many BMCs, and then nobody can log in. No redirect is
followed and no proxy of the environment is used: both would hand the password to somebody else. Knows nothing of
fencing.
"""

from __future__ import annotations

import base64
import json
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

LARGEST_BODY = 1024 * 1024
_NOT_TRUSTED = frozenset({18, 19, 20, 21})
_OTHER_NAME = frozenset({62, 64})
_EXPIRED = 10


class RedfishError(Exception):
    """Why there is no answer that could be used; holds no secret.

    `certain`: the BMC has not acted on the request, that much is known. `status`: the HTTP status, 0 without one.
    """

    def __init__(self, words: str, certain: bool = False, status: int = 0) -> None:
        super().__init__(words)
        self.certain = certain
        self.status = status


@dataclass(frozen=True, slots=True)
class Account:
    """How a BMC is reached. `url`: scheme, host and port. `wait_s`: the deadline of each connect and each answer."""

    url: str
    user: str
    password: str = field(repr=False)
    ca: Path | None = None
    insecure: bool = False
    wait_s: float = 5.0


class Bmc:
    """An open connection to a BMC; use it with `async with`. Each one is fresh."""

    def __init__(self, account: Account) -> None:
        """Raises RedfishError when the CA's file cannot be used."""
        self._account = account
        self._client = httpx.AsyncClient(
            base_url=account.url,
            auth=(account.user, account.password),
            verify=_trust(account),
            timeout=account.wait_s,
            follow_redirects=False,
            trust_env=False,
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "OData-Version": "4.0"},
        )

    async def __aenter__(self) -> Bmc:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def get(self, path: str) -> dict[str, Any]:
        """The JSON object at a path. Raises RedfishError."""
        body = await self._ask("GET", path, None)
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise RedfishError(f"{self._account.url}{path} is not Redfish: the answer is no JSON object")
        return found

    async def post(self, path: str, body: dict[str, str]) -> None:
        """Give an order. Raises RedfishError; unless it is `certain` the order may have been taken."""
        await self._ask("POST", path, body)

    async def _ask(self, method: str, path: str, body: dict[str, str] | None) -> bytes:
        try:
            async with self._client.stream(method, path, json=body) as answer:
                content = await _read(answer, self._account.url)
        except httpx.HTTPError as error:
            raise self._explained(error) from None
        except (httpx.InvalidURL, UnicodeError):
            raise RedfishError(f"{self._account.url}{path} is not a URL", certain=True) from None
        if answer.is_success:
            return content
        raise RedfishError(
            self._refusal(method, path, answer.status_code, content),
            certain=300 <= answer.status_code < 500,
            status=answer.status_code,
        )

    def _refusal(self, method: str, path: str, status: int, content: bytes) -> str:
        user = self._account.user
        if 300 <= status < 400:
            return f"{status}: redirected elsewhere, which is not followed; write the BMC's own address"
        words = {
            401: f"login refused (401) for {user}: check user and password",
            403: f"{user} may not do this (403): give it the role Operator",
            404: f"no {path} (404): GET /redfish/v1/Systems lists the systems there are",
            405: f"{path} does not take {method} (405): the BMC cannot do this",
            409: "the BMC is in the way of itself (409): look at its state, then try again",
        }.get(status, "the BMC has an error of its own" if status >= 500 else "refused")
        said = self._masked(_message_in(content))
        return (words if str(status) in words else f"{words} ({status})") + (f'; it says: "{said}"' if said else "")

    def _masked(self, text: str) -> str:
        secret = self._account.password
        token = base64.b64encode(f"{self._account.user}:{secret}".encode()).decode()
        return text.replace(token, "******").replace(secret, "******")[:200]

    def _explained(self, error: httpx.HTTPError) -> RedfishError:
        url = self._account.url
        if isinstance(error, httpx.ConnectTimeout):
            return RedfishError(f"{url} does not answer within {self._account.wait_s:g}s: is it up, and reachable?")
        if isinstance(error, httpx.TimeoutException):
            return RedfishError(f"{url} is silent for {self._account.wait_s:g}s: restart the BMC if this lasts")
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ssl.SSLCertVerificationError):
                return RedfishError(_distrust(cause, url), certain=True)
            if isinstance(cause, ssl.SSLError):
                return RedfishError(f"{url}: no TLS with it ({cause.reason}): does that port speak https?")
            if isinstance(cause, ConnectionRefusedError):
                return RedfishError(f"{url} refuses connections: check address and port", certain=True)
            cause = cause.__cause__ or cause.__context__
        return RedfishError(f"{url}: {self._masked(str(error)) or type(error).__name__}")


async def _read(answer: httpx.Response, url: str) -> bytes:
    content = b""
    async for chunk in answer.aiter_raw():
        content += chunk
        if len(content) > LARGEST_BODY:
            raise RedfishError(f"{url} answers with more than {LARGEST_BODY // 1024} KiB: that is no BMC")
    return content


def _trust(account: Account) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if account.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    try:
        if account.ca is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(account.ca)
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror if type(error) is not ssl.SSLError else "it holds no certificate (PEM)"
        raise RedfishError(f"ca {account.ca} cannot be used: {reason or error}", certain=True) from None
    return context


def _distrust(error: ssl.SSLCertVerificationError, url: str) -> str:
    if error.verify_code == _EXPIRED:
        return f"the certificate of {url} has expired: renew it on the BMC"
    if error.verify_code in _OTHER_NAME:
        return f"the certificate of {url} is for another name: write the address that it names, or renew it"
    if error.verify_code in _NOT_TRUSTED:
        return f"the certificate of {url} is not trusted: write ca: with the path of the CA that signed it"
    return f"the certificate of {url} is not accepted: {error.verify_message}"


def _message_in(content: bytes) -> str:
    """The BMC's own words, from Redfish's error object."""
    try:
        error = json.loads(content)["error"]
        details = error.get("@Message.ExtendedInfo") or [{}]
        message = details[0].get("Message") or error.get("message")
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError, IndexError):
        return ""
    return " ".join(message.split()) if isinstance(message, str) and message.isprintable() else ""
