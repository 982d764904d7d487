"""TLS: whom we trust, who we are, and words for a handshake that failed.

Only the CA that is named counts, never the system's own: an authority that anybody can buy from must not vouch for a
lock. The peer's name is always checked, and TLS 1.2 is the least. Knows no protocol above TLS.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

_EXPIRED, _NOT_YET = 10, 9
_NOT_TRUSTED = frozenset({2, 18, 19, 20, 21})
_OTHER_NAME = frozenset({62, 64})
_AGAINST_OURS = (
    "CERTIFICATE_REQUIRED",
    "HANDSHAKE_FAILURE",
    "BAD_CERTIFICATE",
    "CERTIFICATE_UNKNOWN",
    "UNKNOWN_CA",
    "CERTIFICATE_EXPIRED",
    "CERTIFICATE_REVOKED",
    "UNSUPPORTED_CERTIFICATE",
    "ACCESS_DENIED",
)
_TOO_OLD = (
    "UNSUPPORTED_PROTOCOL",
    "PROTOCOL_VERSION",
    "NO_PROTOCOLS_AVAILABLE",
    "DH_KEY_TOO_SMALL",
    "EE_KEY_TOO_SMALL",
)
_NO_TLS = ("WRONG_VERSION_NUMBER", "UNEXPECTED_EOF", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "UNEXPECTED_MESSAGE")


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Paths of PEM files. `ca`: who may vouch for the peer. `cert` and `key`: who we are; "" for both: nobody."""

    ca: str
    cert: str = ""
    key: str = ""
    key_password: str | None = field(default=None, repr=False)


class TlsFilesError(Exception):
    """The files cannot be used as they are now; the text says which and why."""


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """A context of what the files hold now. Raises TlsFilesError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    _trust(context, files.ca)
    if files.cert:
        load_own(context, files)
    return context


def _trust(context: ssl.SSLContext, ca: str) -> None:
    try:
        context.load_verify_locations(ca)
    except ssl.SSLError:
        raise TlsFilesError(f"ca {ca} holds no certificate (PEM)") from None
    except OSError as error:
        raise TlsFilesError(f"ca {ca} cannot be read: {error.strerror or error}") from None


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """The same for a server. `ca`: who may vouch for clients; "": no certificate is asked. Raises TlsFilesError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
    context.num_tickets = 0  # each connection is judged anew, by the files of its time
    context.set_alpn_protocols(["http/1.1"])
    load_own(context, files)
    if files.ca:
        _trust(context, files.ca)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def load_own(context: ssl.SSLContext, files: TlsFiles) -> None:
    """Let the context present `cert`. Raises TlsFilesError."""
    try:
        # A function, since OpenSSL would ask a terminal for a password that is needed and not given.
        context.load_cert_chain(files.cert, files.key, password=lambda: files.key_password or "")
    except ssl.SSLError as error:
        raise TlsFilesError(f"cert {files.cert} and key {files.key} cannot be used: {_load_failed(error)}") from None
    except OSError as error:
        raise TlsFilesError(f"cert {files.cert} or key {files.key} cannot be read: {error.strerror or error}") from None


def _load_failed(error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return "the key is another certificate's"
    return "they hold no certificate and key (PEM), or the key has another password"


def why_no_tls(error: OSError, presents: bool) -> str:
    """Why a handshake failed, to be read after the peer's address. `presents`: we have a certificate."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _distrusted(error)
    if isinstance(error, TimeoutError):
        return "is silent in the TLS handshake"
    reason = (getattr(error, "reason", None) or str(error)).upper().replace(" ", "_")
    if any(word in reason for word in _AGAINST_OURS):
        if presents:
            return f"does not accept our certificate ({_plain(reason)}): is it signed by a CA that it trusts?"
        return f"wants a certificate of ours ({_plain(reason)}): write cert and key"
    if any(word in reason for word in _TOO_OLD):
        return f"speaks no TLS that is safe ({_plain(reason)}): at least TLS 1.2 is needed"
    if not isinstance(error, ssl.SSLError) or isinstance(error, ssl.SSLEOFError) or any(w in reason for w in _NO_TLS):
        unasked = "" if presents else "; it may want a certificate of ours, too"
        return f"breaks off the TLS handshake ({_plain(reason)}): is that its port for TLS?{unasked}"
    return f"no TLS with it ({_plain(reason)})"


def _distrusted(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code == _EXPIRED:
        return "its certificate has expired: renew it"
    if error.verify_code == _NOT_YET:
        return "its certificate is not valid yet: compare the clocks"
    if error.verify_code in _OTHER_NAME:
        return f"its certificate is for another name ({error.verify_message.rstrip('.')}): renew it with this one"
    if error.verify_code in _NOT_TRUSTED:
        return f"its certificate is not signed by the CA in ca ({error.verify_message})"
    return f"its certificate is not accepted: {error.verify_message}"


def _plain(reason: str) -> str:
    return reason.lower().replace("_", " ")
