"""Writes the man pages and the completion of bash, made from the commands themselves: papers.py FOLDER.

Knows nothing of the package that they go into.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import typer

from failover.cli.app import app
from failover.daemon.exit_codes import ExitCode


def commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Every command with its whole name; of a group only its commands."""
    for name, command in group.commands.items():
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            yield from commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def escaped(text: str) -> str:
    """For roff."""
    return " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-")


def options(command: Any) -> Iterator[str]:
    for one in command.params:
        flag = getattr(one, "is_flag", False)
        value = "" if flag or not one.opts[0].startswith("-") else f" {one.metavar or 'VALUE'}"
        names = ", ".join((*one.opts, *one.secondary_opts)) if one.opts[0].startswith("-") else str(one.metavar)
        yield f".TP\n.B {escaped(names + value)}\n{escaped(one.help or '')}\n"


def failoverctl(all_commands: list[tuple[str, Any]]) -> str:
    told = "".join(
        f".SS failoverctl {escaped(name)}\n{escaped(command.help or '')}\n{''.join(options(command))}"
        for name, command in all_commands
    )
    epilog = escaped(str(cast(Any, typer.main.get_command(app)).epilog or ""))
    return (
        '.TH FAILOVERCTL 1 "" "failoverd"\n'
        ".SH NAME\nfailoverctl \\- see and steer a service that failoverd keeps available\n"
        f".SH SYNOPSIS\n.B failoverctl\nCOMMAND [options]\n.SH COMMANDS\n{told}.SH EXIT STATUS\n{epilog}\n"
        ".SH SEE ALSO\nfailoverd(8), /usr/share/doc/failoverd\n"
    )


def failoverd() -> str:
    codes = "".join(f".TP\n.B {code.value}\n{escaped(code.name.lower().replace('_', ' '))}\n" for code in ExitCode)
    return (
        '.TH FAILOVERD 8 "" "failoverd"\n.SH NAME\nfailoverd \\- the failover controller of one service\n'
        ".SH SYNOPSIS\n.B failoverd\n[\\-\\-verbose] CONFIG\n.SH DESCRIPTION\n"
        "Watches the local service, races for one ephemeral lock in ZooKeeper, fences the last active, and only then\n"
        "promotes its own service. Run it by systemd: systemctl enable \\-\\-now failoverd@NAME reads\n"
        "/etc/failoverd/NAME.yaml. SIGHUP reads the file again, SIGTERM hands over.\n"
        f".SH EXIT STATUS\n{codes}.SH SEE ALSO\nfailoverctl(1), /usr/share/doc/failoverd\n"
    )


def completion(all_commands: list[tuple[str, Any]]) -> str:
    """Commands, the commands of a group, and the options of each."""
    first = sorted({name.split()[0] for name, _ in all_commands})
    groups: dict[str, list[str]] = {}
    for name, _ in all_commands:
        if " " in name:
            groups.setdefault(name.split()[0], []).append(name.split()[1])
    lines = [
        "_failoverctl() {",
        "    local current=${COMP_WORDS[COMP_CWORD]} said=",
        '    case "${COMP_WORDS[*]:1:2}" in',
    ]
    for name, command in all_commands:
        words = " ".join(word for one in command.params for word in one.opts if word.startswith("--"))
        lines.append(f'    "{name}"*) said="{words} --help" ;;')
    lines += [f'    {group}*) said="{" ".join(inner)}" ;;' for group, inner in groups.items()]
    lines += ["    esac", f'    [ "$COMP_CWORD" -gt 1 ] || said="{" ".join(first)}"']
    lines += [
        '    mapfile -t COMPREPLY < <(compgen -W "$said" -- "$current")',
        "}",
        "complete -o default -F _failoverctl failoverctl",
    ]
    return "\n".join(lines) + "\n"


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    known = list(commands(cast(Any, typer.main.get_command(app))))
    (folder / "failoverctl.1").write_text(failoverctl(known), "utf-8")
    (folder / "failoverd.8").write_text(failoverd(), "utf-8")
    (folder / "failoverctl.bash").write_text(completion(known), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
