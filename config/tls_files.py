"""The PEM files of a `tls` section: can they be used, and until when?

Asks nobody. Loaded only where such files are named: idle memory counts. Source of the form: RFC 5280, section 4.1.
"""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime

from config.files import FileUnusableError, read_usable

_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
_SEQUENCE, _UTC_TIME, _VERSION = 0x30, 0x17, 0xA0


def check_ca(path: str) -> None:
    """Raises FileUnusableError: missing, changeable by others, no certificate in it, or only expired ones."""
    data, mode = read_usable(path, "write there the certificate (PEM) of the CA that signed the peers'")
    if mode & 0o022:
        message = f"{path} may be changed by other users (mode {mode:04o}): they could add a CA of their own"
        raise FileUnusableError(message, f"chmod 644 {path}")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=data.decode("ascii"))
    except (ssl.SSLError, ValueError):
        raise _no_certificate(path) from None
    ends = [end for _, end in validities(data)]
    if ends and max(ends) < datetime.now(UTC):
        when = f"{max(ends):%Y-%m-%d %H:%M} UTC"
        raise FileUnusableError(f"{path} has expired, on {when}", "put a CA there that is valid", dated=True)


def check_cert(path: str) -> None:
    """Raises FileUnusableError: missing, no certificate in it, expired, or not valid yet."""
    data, _ = read_usable(path, "write there our certificate (PEM)")
    now, found = datetime.now(UTC), list(validities(data))
    if not found:
        raise _no_certificate(path)
    begin, end = found[0]  # our own comes first, those of the authorities after it
    if end < now:
        raise FileUnusableError(f"{path} has expired, on {end:%Y-%m-%d %H:%M} UTC", "renew it", dated=True)
    if begin > now:
        raise FileUnusableError(
            f"{path} is valid only from {begin:%Y-%m-%d %H:%M} UTC on", "compare the clocks", dated=True
        )


def check_key(path: str, cert: str, password: str | None) -> None:
    """Raises FileUnusableError: missing, open to others, none at all, locked, or another certificate's."""
    data, mode = read_usable(path, "write there the private key (PEM) of cert")
    if mode & 0o077:
        raise FileUnusableError(f"{path} is open to other users (mode {mode:04o})", f"chmod 600 {path}")
    if b"PRIVATE KEY-----" not in data:
        raise FileUnusableError(
            f"{path} is not a private key", "a PEM file is text with the line -----BEGIN PRIVATE KEY-----"
        )
    locked = b"ENCRYPTED" in data
    if locked and password is None:
        raise FileUnusableError(
            f"{path} is encrypted", "add key_password: {file: PATH}, or write it without a password"
        )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert, path, password=lambda: password or "")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise FileUnusableError(
                f"{path} is not the key of {cert}", "name the pair that was made together"
            ) from None
        if locked:
            raise FileUnusableError(f"{path} does not open with key_password", "correct the password") from None
        raise FileUnusableError(f"{path} is damaged", "copy it again, or make another") from None
    except OSError:
        return  # the certificate is what is wrong, and that is told


def validities(pem: bytes) -> Iterator[tuple[datetime, datetime]]:
    """The first and the last moment of each certificate that can be read."""
    for part in pem.split(_BEGIN)[1:]:
        try:
            text = (_BEGIN + part.partition(_END)[0] + _END).decode("ascii")
            yield _validity(ssl.PEM_cert_to_DER_cert(text))
        except (ValueError, IndexError):
            continue


def _validity(der: bytes) -> tuple[datetime, datetime]:
    """Certificate > tbsCertificate > version?, serial, signature, issuer, validity > notBefore, notAfter."""
    (_, body), *_ = _parts(der)
    (_, inner), *_ = _parts(body)
    parts = _parts(inner)
    at = 4 if parts[0][0] == _VERSION else 3
    if parts[at][0] != _SEQUENCE:
        raise ValueError("no validity")
    begin, end = _parts(parts[at][1])[:2]
    return _moment(*begin), _moment(*end)


def _parts(data: bytes) -> list[tuple[int, bytes]]:
    """The (tag, content) of each value in DER. Raises IndexError for what is none."""
    found, at = [], 0
    while at < len(data):
        tag, size = data[at], data[at + 1]
        at += 2
        if size & 0x80:
            width = size & 0x7F
            size = int.from_bytes(data[at : at + width], "big")
            at += width
        found.append((tag, data[at : at + size]))
        at += size
    return found


def _moment(tag: int, content: bytes) -> datetime:
    text = content.decode("ascii")
    if tag == _UTC_TIME:  # two digits: 1950 to 2049
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _no_certificate(path: str) -> FileUnusableError:
    hint = "a PEM file is text with the line -----BEGIN CERTIFICATE-----"
    return FileUnusableError(f"{path} holds no certificate that can be read", hint)
