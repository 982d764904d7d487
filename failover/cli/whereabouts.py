"""Where the controller is: which configuration file, which socket, which address, which token.

Reads two keys of the file and checks nothing else: `status` must answer while somebody is editing it.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from failover.api import SOCKET_NAME
from failover.cli.exit_codes import ExitCode
from failover.cli.failures import CommandFailed

FOLDER = Path("/etc/failoverd")
CONFIG_ENV, TOKEN_ENV, CA_ENV = "FAILOVERD_CONFIG", "FAILOVERCTL_TOKEN", "FAILOVERCTL_CA"
STATE_DIR, LISTEN = "/run/failoverd", "127.0.0.1:8300"  # as `config` has them; a test holds them equal
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]", "": "127.0.0.1"}
_CONNECT_S = 2.0


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """How to reach the controller: by `socket_path` or, where that is None, by `url` with `token`.

    `tried` says why the socket is not used. `https`: the service's API speaks it, to the outside. `ca`: who vouches for
    an https API; None: the system's own CAs.
    """

    socket_path: Path | None
    url: str
    token: str = ""
    tried: str = ""
    https: bool = False
    ca: Path | None = None


def config_file(given: Path | None, folder: Path = FOLDER) -> Path:
    """The configuration file: as given, else from the environment, else the only one in `folder`."""
    if given is not None:
        return given
    if os.environ.get(CONFIG_ENV):
        return Path(os.environ[CONFIG_ENV])
    found = sorted(folder.glob("*.yaml"))
    if len(found) == 1:
        return found[0]
    names = ", ".join(path.name for path in found)
    message = f"{folder} has several configuration files ({names})" if found else f"no configuration file in {folder}"
    next_step = f"name one with --config FILE (or {CONFIG_ENV}), or a controller with --url"
    raise CommandFailed(message, next_step, ExitCode.REFUSED)


def find(config: Path | None, url: str | None, token_file: Path | None, ca: Path | None = None) -> Whereabouts:
    """How to reach the controller. Raises CommandFailed when nothing says where it is."""
    token = _token(token_file)
    if ca is None and os.environ.get(CA_ENV):
        ca = Path(os.environ[CA_ENV])
    if url is not None:
        full = _full(url)
        return Whereabouts(None, full, token, https=full.startswith("https://"), ca=ca)
    settings = read(config_file(config))
    path, api = socket_path(settings), _section(settings, "api")
    https = isinstance(api.get("tls"), dict)
    if https:
        ca = ca or Path(str(_section(api, "tls").get("ca") or ""))
    refused = _why_not(path)
    if not refused:
        return Whereabouts(path, "http://local", token, "", https, ca)
    if not https:
        return Whereabouts(None, _full(_listen(api)), token, refused, https, ca)
    name = api.get("advertise") or _listen(api)  # which its certificate is for
    return Whereabouts(None, f"https://{name}", token, refused, https, ca)


def socket_path(settings: dict[str, Any]) -> Path:
    """The Unix socket of the controller with these settings."""
    return Path(str(settings.get("state_dir") or STATE_DIR)) / str(settings.get("service") or "") / SOCKET_NAME


def read(path: Path) -> dict[str, Any]:
    """The file's mapping as it is written. Raises CommandFailed when it is not YAML."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    check = f"failoverctl check-config {path}"
    try:
        settings = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise CommandFailed(message, "name another with --config FILE", ExitCode.CONFIG_ERROR) from None
    except (YAMLError, ValueError):
        raise CommandFailed(f"{path} is not readable YAML", check, ExitCode.CONFIG_ERROR) from None
    if not isinstance(settings, dict):
        raise CommandFailed(f"{path} has no settings", check, ExitCode.CONFIG_ERROR)
    return settings


def _section(settings: dict[str, Any], name: str) -> dict[str, Any]:
    section = settings.get(name)
    return section if isinstance(section, dict) else {}


def _listen(api: dict[str, Any]) -> str:
    listen = str(api.get("listen") or LISTEN)
    host, _, port = listen.rpartition(":")
    return f"{_WILDCARDS.get(host, host)}:{port}"


def _full(url: str) -> str:
    return url.rstrip("/") if "://" in url else f"http://{url.rstrip('/')}"


def _token(token_file: Path | None) -> str:
    if token_file is None:
        return os.environ.get(TOKEN_ENV, "").strip()
    try:
        words = token_file.read_text(encoding="utf-8").split()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        message = f"cannot read the token in {token_file}: {reason}"
        raise CommandFailed(message, "name a file that holds one token", ExitCode.REFUSED) from None
    if len(words) != 1:
        message = f"{token_file} holds {len(words)} words, not one token"
        raise CommandFailed(message, "keep only the token in it", ExitCode.REFUSED)
    return words[0]


def _why_not(path: Path) -> str:
    """Why the socket cannot be used; "" if it can."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
        trial.settimeout(_CONNECT_S)
        try:
            trial.connect(str(path))
        except OSError as error:
            return f"{path}: {error.strerror or error}"
    return ""
