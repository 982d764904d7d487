"""One file with ten mistakes gives ten lines, each with its place and what to write."""

from tests.config.conftest import Files

TEN_MISTAKES = """\
service: orders db
node: db3
stor_dir: /run/failoverd
store:
  kind: zookeper
  hosts: [zk1:2181]
nodes:
  db1: {address: 10.0.0.11}
  db2: {address: 10.0.0.12}
control:
  kind: command
  promote: {run: /bin/sh, timeout: 60}
  demote: {run: /bin/sh}
  demote: {run: /bin/sh}
  role: {run: /bin/sh}
health:
  - {kind: http, url: "http://localhost/", every: 1s, timeout: 2s}
fencing:
  methods:
    stop: {kind: redfihs, agent: fence_x}
    hook: {kind: command, run: "true"}
  levels: [[stop], [hok]]
"""

TEN_LINES = [
    '1:10: service: "orders db" is not a name; use letters, digits, dot, dash and underscore, '
    "at most 64, no dot at either end",
    '2:7: node: "db3" is not in nodes; write one of these: db1, db2',
    '3:1: stor_dir: unknown key; did you mean "state_dir"?',
    '5:9: store.kind: kind "zookeper" is unknown; did you mean "zookeeper"? available: local, zookeeper',
    "12:36: control.promote.timeout: 60 is a number without a unit; say a unit: 60s",
    "14:3: control.demote: written twice; the first is on line 13; keep one",
    "17:5: health[0]: timeout 2s is longer than every 1s; write timeout: 1s or less, or a longer every",
    '20:18: fencing.methods.stop.kind: kind "redfihs" is unknown; did you mean "redfish"? '
    "available: agent, command, controller, epoch, manual, redfish, ssh, watchdog_wait",
    "21:32: fencing.methods.hook.run: this command always succeeds: it would say done and fence "
    "nothing; run something that makes certain the node is gone",
    '22:21: fencing.levels[1][0]: no method "hok"; did you mean "hook"?',
]


def test_ten_mistakes_give_ten_exact_lines(files: Files) -> None:
    assert files.errors(TEN_MISTAKES) == TEN_LINES


def test_every_line_begins_with_the_file_so_that_an_editor_can_jump_there(files: Files) -> None:
    from config import examine

    path = files.write(TEN_MISTAKES)
    assert all(str(problem).startswith(f"{path}:") for problem in examine(path).problems)
