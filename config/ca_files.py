"""A file of CA certificates that a device's own is checked with: can it be used?

Judges no device. Loaded only where such a file is named: idle memory counts.
"""

import ssl

from config.files import read_regular, reason_of
from config.problems import Finding, KeyPath

LARGEST_BYTES = 1024 * 1024


def ca_finding(path: KeyPath, file: str) -> Finding | None:
    """Why the file cannot be used, or None. What this user may not see is a warning."""
    try:
        content = read_regular(file, LARGEST_BYTES)
    except PermissionError as error:
        hint = "run this as the controller's user (root)"
        return Finding(path, f"cannot read {file}: {reason_of(error)}", hint, severity="warning")
    except FileNotFoundError:
        hint = "write there the certificate (PEM) of the CA that signed the device's"
        return Finding(path, f"{file} does not exist", hint)
    except (OSError, ValueError) as error:
        return Finding(path, f"cannot read {file}: {reason_of(error)}")
    if content is None:
        return Finding(path, f"{file} is not a regular file")
    if content.mode & 0o022:
        message = f"{file} may be changed by other users (mode {content.mode:04o}): they could fake OFF"
        return Finding(path, message, f"chmod 644 {file}")
    if not _holds_certificates(content.data):
        hint = "a PEM file is text with the line -----BEGIN CERTIFICATE-----"
        return Finding(path, f"{file} holds no certificate that can be read", hint)
    return None


def _holds_certificates(data: bytes) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=data.decode("ascii"))
    except (ssl.SSLError, ValueError):
        return False
    return True
