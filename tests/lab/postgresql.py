"""PostgreSQL on lab hosts: a primary with synchronous replication, a clone of it, and the hooks that steer them.

It knows hosts and PostgreSQL; of failoverd it knows the `control` and `health` sections that the database needs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.lab.host import CHECKOUT, Host

BINARIES = Path("/usr/lib/postgresql/15/bin")
UNIT = "orders-db.service"
DATA = "/srv/postgresql/orders"
HOOKS = "/etc/failoverd/postgresql"
_SHIPPED = CHECKOUT / "config" / "examples" / "postgresql"

CONTROL: dict[str, Any] = {
    "kind": "command",
    "standby": "running",
    "promote": {"run": f"{HOOKS}/promote", "timeout": "20s"},
    "demote": {"run": f"{HOOKS}/demote", "timeout": "4s"},
    "follow": {"run": f"{HOOKS}/follow", "timeout": "2m"},
    "role": {"run": f"{HOOKS}/role", "every": "2s", "timeout": "1s"},
    "ready": {"run": f"{HOOKS}/ready", "timeout": "5s"},
    "position": {"run": f"{HOOKS}/position", "every": "2s", "timeout": "1s"},
}
HEALTH: list[dict[str, Any]] = [
    {"kind": "process", "pidfile": f"{DATA}/postmaster.pid", "every": "500ms"},
    {
        "kind": "command",
        "run": [f"{BINARIES}/pg_isready", "--quiet", "--timeout=1", "--host=/run/postgresql", "--username=app"],
        "every": "1s",
        "timeout": "900ms",
        "fall": 3,
        "grace": "15s",
    },
]
_SETTINGS = """
listen_addresses = '*'
unix_socket_directories = '/run/postgresql'
wal_level = replica
wal_log_hints = on
hot_standby = on
wal_keep_size = '64MB'
max_wal_size = '96MB'
shared_buffers = '16MB'
wal_receiver_timeout = '3s'
wal_sender_timeout = '3s'
wal_retrieve_retry_interval = '200ms'
restart_after_crash = off
"""
_ACCESS = """
local all all trust
host all all 10.64.0.0/10 trust
host replication all 10.64.0.0/10 trust
"""
_UNIT = f"""
[Unit]
Description=PostgreSQL of orders
[Service]
Type=notify
User=postgres
RuntimeDirectory=postgresql
RuntimeDirectoryPreserve=yes
ExecStart={BINARIES}/postgres -D {DATA}
KillMode=mixed
KillSignal=SIGINT
TimeoutSec=60
"""
_HOOK_SETTINGS = f"data={DATA}\nunit={UNIT}\nsocket=/run/postgresql\nslot=\nfast_s=2\nimmediate_s=1\n"
_READ_FILES = (
    "pg_ls_dir(text, boolean, boolean)",
    "pg_stat_file(text, boolean)",
    "pg_read_binary_file(text)",
    "pg_read_binary_file(text, bigint, bigint, boolean)",
)
_TABLES = "CREATE TABLE ledger (number text PRIMARY KEY); CREATE TABLE pulse (number text PRIMARY KEY);"


def missing() -> list[str]:
    """What is needed and not on this machine, in words."""
    return [] if BINARIES.exists() else [f"{BINARIES} (Debian: postgresql-15)"]


def ask(host: Host, question: str) -> str:
    """What the server on a host answers its superuser; '' when it does not."""
    if not host.init():
        return ""
    words = ("psql", "--no-psqlrc", "--tuples-only", "--no-align", "--host=/run/postgresql", "--command", question)
    done = host.run("timeout", "5", "env", "PGCONNECT_TIMEOUT=2", *_as_postgres(*words, "orders"))
    return done.stdout.strip() if done.returncode == 0 else ""


def set_up_first(host: Host) -> None:
    """A primary with a database, running."""
    _prepare(host)
    host.must(*_as_postgres(f"{BINARIES}/initdb", "--auth=trust", "--no-sync", "--data-checksums", "-D", DATA))
    _append(host, "postgresql.conf", _SETTINGS)
    host.write(f"{DATA}/pg_hba.conf", _ACCESS)
    host.must("systemctl", "start", UNIT)
    for question in ("CREATE DATABASE orders", "CREATE ROLE app LOGIN", "CREATE ROLE replicator LOGIN REPLICATION"):
        _order(host, question, "postgres")
    _order(host, f"GRANT EXECUTE ON FUNCTION {', '.join(_READ_FILES)} TO replicator", "postgres")  # for pg_rewind
    _order(host, _TABLES)
    _order(host, "GRANT ALL ON ledger, pulse TO app")


def set_up_second(host: Host, first: Host) -> None:
    """A clone of the running primary, not started; the primary is stopped again: the controllers start both."""
    _prepare(host)
    source = f"host={first.address} user=replicator application_name={host.name}"
    host.must(*_as_postgres(f"{BINARIES}/pg_basebackup", "--checkpoint=fast", "-D", DATA, "-d", source))
    first.must("systemctl", "stop", UNIT)


def install_hooks(host: Host) -> None:
    """The shipped hooks, told where this database is."""
    for file in sorted(_SHIPPED.iterdir()):
        host.write(f"{HOOKS}/{file.name}", file.read_text("utf-8"), file.stat().st_mode & 0o777)
    host.write(f"{HOOKS}/settings", _HOOK_SETTINGS)


def _prepare(host: Host) -> None:
    host.write(f"/etc/systemd/system/{UNIT}", _UNIT)
    host.must("systemctl", "daemon-reload")
    host.must("install", "-d", "-o", "postgres", str(Path(DATA).parent))
    host.must("install", "-d", "-o", "postgres", "-m", "700", DATA)
    host.must("install", "-d", "-o", "postgres", "/run/postgresql")


def _order(host: Host, words: str, database: str = "orders") -> None:
    host.must(*_as_postgres("psql", "--no-psqlrc", "--quiet", "--host=/run/postgresql", "-c", words, database))


def _append(host: Host, name: str, lines: str) -> None:
    host.write("/run/added", lines)
    host.must("sh", "-c", f"cat /run/added >> {DATA}/{name}")


def _as_postgres(*words: str) -> tuple[str, ...]:
    return ("runuser", "-u", "postgres", "--", *words)
