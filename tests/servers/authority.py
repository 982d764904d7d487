"""A CA of the tests' own, and the certificates that it signs. Made by `openssl`; of elliptic curves, which is quick."""

import shutil
import subprocess
from pathlib import Path

LOOPBACK_NAMES = "DNS:localhost,IP:127.0.0.1"
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def missing() -> list[str]:
    """What making certificates needs and this machine has not, in words."""
    return [] if shutil.which("openssl") else ["`openssl` on the PATH (Debian: openssl)"]


class Authority:
    """A CA in a folder. `path`: its own certificate."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.path = folder / "ca.pem"
        self._key = folder / "ca.key"
        subject = ("-subj", "/CN=CA of the tests")
        _openssl("req", "-x509", *_KEY, "-days", "2", *subject, "-keyout", str(self._key), "-out", str(self.path))

    def issue(self, name: str, names: str = LOOPBACK_NAMES, days: int = 2) -> tuple[Path, Path]:
        """The files of a certificate and its key. `days` below 0: it has expired."""
        key, request, cert, extra = (self.folder / f"{name}.{end}" for end in ("key", "csr", "pem", "ext"))
        extra.write_text(f"subjectAltName={names}\n")
        _openssl("req", *_KEY, "-subj", f"/CN={name}", "-keyout", str(key), "-out", str(request))
        signed_by = ("-CA", str(self.path), "-CAkey", str(self._key), "-CAcreateserial")
        _openssl(
            *("x509", "-req", "-in", str(request), *signed_by, "-days", str(days)),
            *("-extfile", str(extra), "-out", str(cert)),
        )
        return cert, key


def _openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=30)
