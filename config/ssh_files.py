"""Reading the two files that `ssh` needs: a private key's header, and the names in a known_hosts file.

Starts nothing, decrypts nothing. Sources: OpenSSH's PROTOCOL.key; sshd(8), SSH_KNOWN_HOSTS FILE FORMAT.
"""

import base64
import binascii
import fnmatch
import hashlib
import hmac
from collections.abc import Iterable, Iterator

from config.files import FileUnusableError, read_usable

_MAGIC = b"openssh-key-v1\0"
_NO_CIPHER = b"none"


def read_key(path: str) -> None:
    """Look at a private key. Raises FileUnusableError: missing, open to others, with a passphrase, or none at all."""
    data, mode = read_usable(path, "make one: ssh-keygen -t ed25519 -N '' -f " + path)
    if mode & 0o077:
        raise FileUnusableError(f"{path} is open to other users (mode {mode:04o})", f"chmod 600 {path}")
    if _has_passphrase(data, path):
        hint = f"nobody is there to type it: make a key of its own, ssh-keygen -t ed25519 -N '' -f {path}"
        raise FileUnusableError(f"{path} has a passphrase", hint)


def _has_passphrase(data: bytes, path: str) -> bool:
    lines = data.splitlines()
    if not (lines and lines[0].startswith(b"-----BEGIN ") and b"PRIVATE KEY" in lines[0]):
        raise FileUnusableError(f"{path} is not a private key", "name the file without .pub")
    if b"ENCRYPTED" in lines[0] or any(line.startswith(b"Proc-Type: 4,ENCRYPTED") for line in lines[:5]):
        return True
    if b"OPENSSH" not in lines[0]:
        return False  # PEM in the clear
    try:
        body = base64.b64decode(
            b"".join(line.strip() for line in lines[1:] if not line.startswith(b"-")), validate=True
        )
    except binascii.Error:
        body = b""
    if not body.startswith(_MAGIC):
        raise FileUnusableError(
            f"{path} is damaged: no private key of OpenSSH's form", "copy it again, or make another"
        )
    at = len(_MAGIC)
    size = int.from_bytes(body[at : at + 4], "big")
    return body[at + 4 : at + 4 + size] != _NO_CIPHER


def read_known_hosts(path: str) -> list[str]:
    """The lines of a known_hosts file. Raises FileUnusableError."""
    data, mode = read_usable(path, "fill it with ssh-keyscan, and compare every fingerprint")
    if mode & 0o022:
        message = f"{path} may be changed by other users (mode {mode:04o})"
        raise FileUnusableError(message, f"chmod 644 {path}")
    return data.decode("utf-8", "replace").splitlines()


def knows(lines: Iterable[str], host: str, port: int) -> bool:
    """Whether there is a key for the host as `ssh` looks it up: `host`, or `[host]:port` at another port than 22."""
    name = host.lower() if port == 22 else f"[{host.lower()}]:{port}"
    return any(_matches(field, name) for field in _host_fields(lines))


def _host_fields(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        words = line.split()
        if not words or words[0].startswith("#") or words[0] == "@revoked":
            continue
        if words[0] == "@cert-authority":
            words = words[1:]
        if len(words) >= 3:
            yield words[0]


def _matches(field: str, name: str) -> bool:
    if field.startswith("|1|"):
        return _matches_hashed(field, name)
    found = False
    for pattern in field.lower().split(","):
        wanted = fnmatch.fnmatchcase(name, pattern.removeprefix("!").replace("[", "[[]"))
        if wanted and pattern.startswith("!"):
            return False
        found = found or wanted
    return found


def _matches_hashed(field: str, name: str) -> bool:
    try:
        _, _, salt, told = field.split("|")
        mac = hmac.new(base64.b64decode(salt), name.encode(), hashlib.sha1)
        return hmac.compare_digest(mac.digest(), base64.b64decode(told))
    except ValueError:
        return False
