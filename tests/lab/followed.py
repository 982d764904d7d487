"""Hosts on which the shell blocks of a page (`tests.lab.steps`) can be followed as they are written.

What differs: the addresses, and what `apt-get` does, since no host of the lab reaches an archive: the packages are
there already. It knows nothing of what a page is about.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.lab.host import Host
from tests.lab.network import Network
from tests.lab.packages import built
from tests.lab.steps import answered

VERSION = "0.1.0"
HOME = "/root"
PACKAGE = f"{HOME}/failoverd_{VERSION}_amd64.deb"
LONGEST_S = 180.0
# Debian's package of ZooKeeper's service has an init script, which systemd makes such a unit from.
_ZOOKEEPER_UNIT = """\
[Service]
Environment=JVMFLAGS=-Xmx64m ZOO_LOG_DIR=/var/log/zookeeper JMXDISABLE=true
ExecStart=/usr/share/zookeeper/bin/zkServer.sh start-foreground /etc/zookeeper/conf/zoo.cfg
[Install]
WantedBy=multi-user.target
"""
_APT_GET = """\
#!/bin/sh
case "$*" in
install*.deb) for last in "$@"; do :; done; exec dpkg --install "$last" ;;
purge*) exec dpkg --purge failoverd ;;
esac
"""


def fresh(network: Network, number: int) -> Host:
    """A host with Debian's packages and nothing set up, booted; whoever asked for it destroys it."""
    host = Host(network, number)
    host.__enter__()
    try:
        host.write("/etc/systemd/system/zookeeper.service", _ZOOKEEPER_UNIT)
        host.write("/usr/local/sbin/apt-get", _APT_GET, 0o755)
        host.put(built(VERSION), PACKAGE)
    except BaseException:
        host.destroy()
        raise
    return host


def translated(text: str, words: Mapping[str, str]) -> str:
    """With the lab's addresses for those of the page."""
    for word, own in words.items():
        text = text.replace(word, own)
    return text


def follow(host: Host, name: str, text: str, typed: str = "") -> str:
    """Paste a block on a host; what it printed. With `typed`, on a terminal, where that is typed in answer.

    AssertionError, with what an operator would look at next, where a command fails.
    """
    words = answered(text, typed) if typed else text
    done = host.run("timeout", str(LONGEST_S), "bash", "-ec", words, timeout_s=LONGEST_S + 10)
    print(f"--- on {name}, exit code {done.returncode}:\n{text}{done.stdout}{done.stderr}", flush=True)
    assert done.returncode == 0, f"on {name}:\n{text}\n{done.stdout}{done.stderr}{_state(host)}"
    return done.stdout


def copy(source: Host, target: Host, path: str) -> None:
    """What `scp` would do."""
    target.put(Path(f"/proc/{source.init()}/root{path}"), path)


def _state(host: Host) -> str:
    """What an operator would look at next."""
    journal = host.run("journalctl", "--no-pager", "--lines=40", "--unit", "failoverd@orders-db", "--unit",
                       "postgresql@15-main").stdout  # fmt: skip
    log = host.run("tail", "-n", "20", "/var/log/postgresql/postgresql-15-main.log").stdout
    return f"\n--- status\n{host.run('failoverctl', 'status').stdout}\n--- journal\n{journal}\n--- log\n{log}"
