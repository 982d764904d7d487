"""One BMC, asked over Redfish: small answers, short waits, and words for everything that goes wrong.

Basic authentication goes with each request: sessions leak on many BMCs, and then nobody can log in. No redirect is
followed and no proxy of the environment is used: both would hand the password to somebody else. Knows nothing of
fencing.
"""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from config.agent_values import MASKED

LARGEST_BODY = 1024 * 1024
LONGEST_WORDS = 2000
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
    """How a BMC is reached. `url`: scheme, host and port. `wait_s`: the deadline of each connection and each answer."""

    url: str
    user: str
    password: str = field(repr=False)
    wait_s: float = 5.0


def trust_of(ca: Path | None, insecure: bool) -> ssl.SSLContext:
    """What certificates are accepted. Reads files: call it in a thread. Raises RedfishError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    try:
        if ca is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(ca)
    except ssl.SSLError:
        raise RedfishError(f"ca {ca} holds no certificate (PEM)", certain=True) from None
    except OSError as error:
        raise RedfishError(f"ca {ca} cannot be read: {error.strerror or error}", certain=True) from None
    return context


class Bmc:
    """An open connection to a BMC; use it with `async with`. Each one is fresh."""

    def __init__(self, account: Account, trust: ssl.SSLContext) -> None:
        self._account = account
        self._client = httpx.AsyncClient(
            base_url=account.url,
            auth=(account.user, account.password),
            verify=trust,
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

    def tame(self, text: object, longest: int = 100) -> str:
        """What the BMC says, fit for a line of the log: bounded, plain, the password masked."""
        secret = self._account.password
        token = base64.b64encode(f"{self._account.user}:{secret}".encode()).decode()
        plain = " ".join(str(text)[:LONGEST_WORDS].replace(token, MASKED).replace(secret, MASKED).split())
        return "".join(letter if letter.isprintable() else "?" for letter in plain)[:longest]

    async def _ask(self, method: str, path: str, body: dict[str, str] | None) -> bytes:
        url, wait_s = self._account.url, self._account.wait_s
        try:
            async with asyncio.timeout(2 * wait_s), self._client.stream(method, path, json=body) as answer:
                content = await _read(answer, url)
        except TimeoutError:
            raise RedfishError(f"{url} has not ended its answer within {2 * wait_s:g}s") from None
        except httpx.HTTPError as error:
            raise self._explained(error) from None
        except (httpx.InvalidURL, UnicodeError):
            raise RedfishError(f"{url}{path} is not a URL", certain=True) from None
        status = answer.status_code
        if answer.is_success:
            return content
        raise RedfishError(self._refusal(method, path, status, content), certain=400 <= status < 500, status=status)

    def _refusal(self, method: str, path: str, status: int, content: bytes) -> str:
        user = self._account.user
        if 300 <= status < 400:
            return f"redirected elsewhere ({status}), which is not followed: write the BMC's own address"
        words = {
            400: "the BMC does not take the order (400)",
            401: f"login refused (401) for {user}: check user and password",
            403: f"{user} may not do this (403): give it the role Operator",
            404: f"there is no {path} (404): GET /redfish/v1/Systems lists the systems that there are",
            405: f"{path} does not take {method} (405): this BMC cannot do it",
            409: "the system is busy with another order (409)",
        }.get(status, f"the BMC has an error of its own ({status})" if status >= 500 else f"refused ({status})")
        said = self.tame(_message_in(content), 200)
        return f'{words}; it says: "{said}"' if said else words

    def _explained(self, error: httpx.HTTPError) -> RedfishError:
        url = self._account.url
        if isinstance(error, httpx.ConnectTimeout):
            return RedfishError(f"{url} does not answer within {self._account.wait_s:g}s: is it up, and reachable?")
        if isinstance(error, httpx.TimeoutException):
            return RedfishError(f"{url} is silent for {self._account.wait_s:g}s: restart the BMC if this lasts")
        for cause in _causes(error):
            if isinstance(cause, ssl.SSLCertVerificationError):
                return RedfishError(_distrust(cause, url), certain=True)
            if isinstance(cause, ssl.SSLError):
                return RedfishError(f"{url}: no TLS with it ({cause.reason}): does that port speak https?")
            if isinstance(cause, ConnectionRefusedError):
                return RedfishError(f"{url} refuses connections: check address and port", certain=True)
            if isinstance(cause, socket.gaierror):
                return RedfishError(f"{url}: its name is not known ({cause.strerror})", certain=True)
        return RedfishError(f"{url} broke off: {self.tame(error) or type(error).__name__}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and all that led to it."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for each in error.exceptions:
                yield from _causes(each)
        error = error.__cause__ or error.__context__


async def _read(answer: httpx.Response, url: str) -> bytes:
    content = b""
    async for chunk in answer.aiter_raw():
        content += chunk
        if len(content) > LARGEST_BODY:
            raise RedfishError(f"{url} answers with more than {LARGEST_BODY // 1024} KiB: that is no BMC")
    return content


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
    return message if isinstance(message, str) else ""
