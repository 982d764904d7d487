"""A real PostgreSQL, steered by the hooks that are shipped: its folders, its settings, and the questions a test asks.

It is never started here: that is the hooks' work. Run as root, everything of it belongs to the user `postgres`.
"""

from __future__ import annotations

import functools
import os
import pwd
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.guardian import guardian, scratch_folder
from tests.servers.ports import free_port
from tests.servers.wait import eventually

HOOKS = Path(__file__).resolve().parents[2] / "config" / "examples" / "postgresql"
SUPERUSER = "postgres"
_BINARIES = Path("/usr/lib/postgresql")
_ANSWER_S = 20.0
_HOOK_S = 90.0
_ROLES = """\
CREATE ROLE replicator LOGIN REPLICATION
GRANT EXECUTE ON FUNCTION pg_ls_dir(text, boolean, boolean) TO replicator
GRANT EXECUTE ON FUNCTION pg_stat_file(text, boolean) TO replicator
GRANT EXECUTE ON FUNCTION pg_read_binary_file(text) TO replicator
GRANT EXECUTE ON FUNCTION pg_read_binary_file(text, bigint, bigint, boolean) TO replicator
CREATE TABLE orders (number integer PRIMARY KEY)
"""
_ACCESS = """\
local all all trust
host replication,postgres replicator 127.0.0.1/32 trust
"""


def binaries() -> Path | None:
    """The newest version's folder of programs, as Debian lays them out."""
    found = sorted(path.parent for path in _BINARIES.glob("*/bin/initdb"))
    return found[-1] if found else None


def missing() -> list[str]:
    """What a PostgreSQL needs and this machine has not, in words; empty when it can be started."""
    if binaries() is None:
        return ["`initdb` below /usr/lib/postgresql (Debian: postgresql)"]
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        return ["`setpriv` (Debian: util-linux)"]
    return []


def owner() -> str:
    """As whom servers run: PostgreSQL refuses to run as root."""
    return "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def _as_owner(*words: str, text: str = "") -> str:
    user = owner() if os.geteuid() == 0 else None
    done = subprocess.run(
        words, input=text, capture_output=True, text=True, timeout=60, cwd="/", user=user, group=user, check=False
    )
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


@functools.cache
def _template() -> Path:
    """A data folder with roles and a table, from which all others are copied: as a backup would be."""
    guardian().scratch.chmod(0o711)  # another user works in there
    folder = _owned(scratch_folder("postgresql-template"))
    programs, data = str(binaries()), str(folder / "data")
    _as_owner(f"{programs}/initdb", "-D", data, "--no-sync", "--wal-segsize=1", "--auth=trust", "-U", SUPERUSER)
    _as_owner(f"{programs}/postgres", "--single", "-F", "-D", data, "postgres", text=_ROLES)
    return folder / "data"


def _owned(folder: Path) -> Path:
    folder.chmod(0o711)
    if os.geteuid() == 0:
        shutil.chown(folder, owner(), owner())
    return folder


@dataclass
class Postgres:
    """One server of a pair. `ports`: a folder in which each node's port is, by its name."""

    name: str
    folder: Path
    ports: Path
    port: int = field(default_factory=free_port)

    def prepare(self, hints: bool = True, settings: str = "") -> None:
        """Lay out everything; `hints`: it can be rewound. `settings`: further lines for the hooks."""
        _as_owner("cp", "-a", str(_template()), str(_owned(self.folder) / "data"))
        (self.ports / f"port.{self.name}").write_text(str(self.port))
        (self.folder / "access").write_text(_ACCESS)
        self.config.write_text(
            f"data_directory = '{self.data}'\nhba_file = '{self.folder}/access'\nport = {self.port}\n"
            f"external_pid_file = '{self.pid_file}'\nunix_socket_directories = '{self.folder}'\n"
            f"listen_addresses = '127.0.0.1'\nshared_buffers = 8MB\n"
            f"wal_log_hints = {'on' if hints else 'off'}\n"
            "min_wal_size = 2MB\nmax_wal_size = 64MB\nwal_keep_size = 32MB\n"
            "wal_retrieve_retry_interval = 200ms\n"
        )
        shutil.copytree(HOOKS, self.folder / "hooks")
        (self.folder / "hooks" / "settings").write_text(
            f"data={self.data}\nbin={binaries()}\nconfig={self.config}\nport={self.port}\nsocket={self.folder}\n"
            f"log={self.log}\nuser={owner()}\nsuperuser={SUPERUSER}\npassfile={self.folder}/pgpass\n"
            f'active_port=$(cat "{self.ports}/port.${{FAILOVER_ACTIVE:-{self.name}}}")\n{settings}'
        )
        self.log.touch()
        if os.geteuid() == 0:
            shutil.chown(self.log, owner())

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def config(self) -> Path:
        return self.folder / "postgresql.conf"

    @property
    def log(self) -> Path:
        return self.folder / "postgresql.log"

    @property
    def pid_file(self) -> Path:
        return self.folder / "pid"

    def hook(self, name: str, active: str = "", within_s: float = _HOOK_S) -> subprocess.CompletedProcess[str]:
        """Run a hook as the controller would; `active` is who is active now."""
        facts = {"SERVICE": "orders", "NODE": self.name, "ACTIVE": active, "EPOCH": "1", "ATTEMPT": "1", "REASON": ""}
        return subprocess.run(
            [str(self.folder / "hooks" / name)],
            capture_output=True,
            text=True,
            timeout=within_s,
            env={
                "PATH": os.environ["PATH"],
                **{f"FAILOVER_{fact}": value for fact, value in facts.items()},
                "FAILOVER_OLD_ACTIVE": "",
                "FAILOVER_ACTIVE_ADDRESS": "127.0.0.1" if active else "",
            },
            start_new_session=True,
            check=False,
        )

    def must(self, name: str, active: str = "") -> str:
        """The output of a hook that has to answer done."""
        done = self.hook(name, active)
        assert done.returncode == 0, f"{name} of {self.name}: {done.stdout}{done.stderr}\n{self.last_log()}"
        return done.stdout

    def sql(self, statement: str, *before: str) -> str:
        """The answer of the local server, or "" if it gives none; `before`: statements of the same session."""
        where = ["-h", str(self.folder), "-p", str(self.port), "-U", SUPERUSER, "-d", "postgres"]
        commands = [word for one in (*before, statement) for word in ("-c", one)]
        try:
            done = subprocess.run(
                [f"{binaries()}/psql", "-XAtqw", "-v", "ON_ERROR_STOP=1", *where, *commands],
                capture_output=True,
                text=True,
                timeout=_ANSWER_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return ""
        return done.stdout.strip() if done.returncode == 0 else ""

    def insert(self, number: int, commit: str = "on") -> bool:
        """Whether the row was acknowledged; `commit`: local does not wait for the standby."""
        return self.sql(
            f"INSERT INTO orders VALUES ({number}) RETURNING number",
            "SET statement_timeout = '5s'",
            f"SET synchronous_commit = {commit}",
        ) == str(number)

    def orders(self) -> set[int]:
        """The numbers that are there; empty also if the server does not answer."""
        return {int(word) for word in self.sql("SELECT number FROM orders").split()}

    def role(self) -> str:
        return {"f": "active", "t": "standby"}.get(self.sql("SELECT pg_is_in_recovery()"), "")

    def streams(self) -> bool:
        return self.sql("SELECT status FROM pg_stat_wal_receiver") == "streaming"

    def processes(self) -> list[int]:
        """All that work in its data folder, alive."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/cwd"):
            try:
                if entry.readlink() == self.data:
                    found.append(int(entry.parent.name))
            except OSError:
                continue
        return found

    def postmaster(self) -> int:
        """Its pid, as its file says; 0 without a file."""
        try:
            return int((self.data / "postmaster.pid").read_text().split()[0])
        except (FileNotFoundError, IndexError):
            return 0

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """A signal to the postmaster."""
        os.kill(self.postmaster(), number)

    def last_log(self) -> str:
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-30:])

    def destroy(self) -> None:
        """Kill whatever works in its data folder."""
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        eventually(lambda: not self.processes(), 5, f"nothing of {self.name} is left")
