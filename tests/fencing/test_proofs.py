"""The proof book: what is remembered of fence devices, what makes it forget, and how much of a damaged file counts."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import replace
from pathlib import Path

import pytest

from failover.core.values import Breadcrumb, Node, Verdict
from failover.ports.fences import FenceReport
from failover.ports.service import Proof
from fencing.chain import StrikeRecord
from fencing.fenced import EndedBoots
from fencing.proofs import MOST_ENTRIES, MOST_STRIKES, ProofBook, fingerprint_of

DB2 = Node("db2", "5d1c0ffee0000000000000000000db02")
BOOT = "b0070000-0000-0000-0000-000000000001"
CRUMB = Breadcrumb(DB2, 41, BOOT, "10.0.0.12:8300", facts={"bmc": "10.0.9.12"})
SETTINGS = {"bmc": '{"ip": "{node.bmc}", "password": {"file": "/etc/failoverd/bmc.secret"}}', "stop": "{}"}
NODES = {"db1": {"bmc": "10.0.9.11"}, "db2": {"bmc": "10.0.9.12", "rack": "7"}}
GOOD = Proof(Verdict.DONE, "status says ON", on=True)
FAILED = Proof(Verdict.UNKNOWN, "login refused (401)")
LIE = Proof(Verdict.NOT_DONE, "says OFF", lies=True)


class Times:
    """The clocks, as the test sets them."""

    now_s = 1000.0
    wall = "2024-05-01T03:00:00Z"


def book_in(folder: Path, boot_id: str = "own-boot", settings: dict[str, str] | None = None) -> ProofBook:
    return ProofBook(
        folder / "proofs.json",
        settings or SETTINGS,
        NODES,
        lambda: Times.now_s,
        lambda: Times.wall,
        boot_id,
        EndedBoots(folder / "fenced", "orders-db"),
        "db1",
    )


def test_a_probe_that_said_on_is_known_after_a_restart(tmp_path: Path) -> None:
    book_in(tmp_path).probed(DB2, "bmc", GOOD)
    book = book_in(tmp_path)
    known = book.of(DB2, "bmc")
    assert (known.proof, known.detail, known.proved_s) == (Verdict.DONE, "status says ON", 1000.0)
    assert book.seen_on(DB2, "bmc")
    assert not book.seen_on(DB2, "stop")
    assert not book.seen_on(Node("db2", "another machine of that name"), "bmc")
    assert (tmp_path / "proofs.json").stat().st_mode & 0o777 == 0o600


def test_after_a_reboot_of_this_host_a_proof_has_no_age_but_on_still_counts(tmp_path: Path) -> None:
    book_in(tmp_path).probed(DB2, "bmc", GOOD)
    book = book_in(tmp_path, boot_id="another boot")
    assert book.of(DB2, "bmc").proved_s is None
    assert book.seen_on(DB2, "bmc")


def test_failures_in_a_row_are_counted_until_one_is_good(tmp_path: Path) -> None:
    book = book_in(tmp_path)
    for proof in (GOOD, FAILED, FAILED):
        book.probed(DB2, "bmc", proof)
    assert (book.of(DB2, "bmc").failures, book.seen_on(DB2, "bmc")) == (2, True)
    book.probed(DB2, "bmc", GOOD)
    assert book.of(DB2, "bmc").failures == 0


def test_a_lie_is_quarantined_until_the_device_says_on_and_what_it_said_before_counts_no_more(tmp_path: Path) -> None:
    book = book_in(tmp_path)
    book.probed(DB2, "bmc", GOOD)
    book.probed(DB2, "bmc", LIE)
    assert "bmc says db2 is OFF, but db2 is alive" in book.quarantined(DB2, "bmc")
    assert not book.seen_on(DB2, "bmc")
    book.probed(DB2, "bmc", FAILED)
    assert book_in(tmp_path).quarantined(DB2, "bmc"), "a failure says nothing, nor does a restart"
    book.probed(DB2, "bmc", GOOD)
    assert not book.quarantined(DB2, "bmc")


def test_other_settings_forget_proof_and_on_but_not_the_quarantine(tmp_path: Path) -> None:
    book = book_in(tmp_path)
    book.probed(DB2, "bmc", GOOD)
    book.configure({**SETTINGS, "bmc": '{"ip": "{node.bmc}", "port": 624}'}, NODES)
    assert (book.of(DB2, "bmc").proof, book.seen_on(DB2, "bmc")) == (None, False)
    book.configure(SETTINGS, NODES)
    assert book.seen_on(DB2, "bmc")
    book.probed(DB2, "bmc", LIE)
    book.configure({"bmc": "{}"}, NODES)
    assert book.quarantined(DB2, "bmc")


def test_facts_that_a_method_uses_are_part_of_what_was_proven(tmp_path: Path) -> None:
    book = book_in(tmp_path)
    book.probed(DB2, "bmc", GOOD)
    book.configure(SETTINGS, {**NODES, "db2": {"bmc": "10.0.9.12", "rack": "8"}})
    assert book.seen_on(DB2, "bmc"), "the rack is not used"
    book.configure(SETTINGS, {**NODES, "db2": {"bmc": "10.0.9.99"}})
    assert not book.seen_on(DB2, "bmc")


def test_a_breadcrumb_with_other_facts_names_a_device_that_was_never_proven(tmp_path: Path) -> None:
    book = book_in(tmp_path)
    book.probed(DB2, "bmc", GOOD)
    book.striking(CRUMB)
    assert book.seen_on(DB2, "bmc")
    book.striking(Breadcrumb(DB2, 41, BOOT, facts={"bmc": "10.0.9.77"}))
    assert not book.seen_on(DB2, "bmc")


def test_a_probe_proves_the_device_of_the_local_facts_also_after_a_strike_that_was_cut_short(tmp_path: Path) -> None:
    """Else ON from one device would make OFF from another one count (S7)."""
    book = book_in(tmp_path)
    other = Breadcrumb(DB2, 41, BOOT, facts={"bmc": "10.0.9.77"})
    book.striking(other)  # its chain is cancelled: no end is told
    book.probed(DB2, "bmc", GOOD)
    assert not book.seen_on(DB2, "bmc"), "10.0.9.12 was asked, not 10.0.9.77"
    book.strike_over()
    assert book.seen_on(DB2, "bmc")


def test_a_strike_that_saw_on_counts_for_the_next_one(tmp_path: Path) -> None:
    """The first may end unknown with the host off: the second finds OFF, and must not be blocked by that for ever."""
    book = book_in(tmp_path)
    book.striking(CRUMB)
    book.struck(StrikeRecord("db2", 42, 1, "bmc", 1, Verdict.UNKNOWN, "no answer", 3.0, "t", saw_on=True))
    book.ended(FenceReport(CRUMB, 42, Verdict.UNKNOWN, "no answer"))
    book.striking(CRUMB)
    assert book.seen_on(DB2, "bmc")
    assert [(one.target, one.method, one.verdict) for one in book.strikes()] == [("db2", "bmc", Verdict.UNKNOWN)]


def test_who_was_fenced_is_known_until_it_or_another_machine_of_its_name_is_seen(tmp_path: Path) -> None:
    book = book_in(tmp_path)
    book.ended(FenceReport(CRUMB, 42, Verdict.NOT_DONE, "no"))
    assert not book.fenced()
    book.ended(FenceReport(CRUMB, 42, Verdict.DONE, "yes", 1, ("bmc",), True, "2024-05-01T03:01:00Z"))
    (fenced,) = book_in(tmp_path).fenced()
    assert (fenced.node, fenced.methods, fenced.at, fenced.at_s) == (DB2, ("bmc",), "2024-05-01T03:01:00Z", 1000.0)
    book.seen(Node("db3", DB2.machine_id), "b")
    assert book.fenced()
    for seen in (DB2, Node("db2", "another machine")):
        book.ended(FenceReport(CRUMB, 42, Verdict.DONE, "yes", 1, ("bmc",), True, "2024-05-01T03:01:00Z"))
        book.seen(seen, "its next boot")
        assert not book_in(tmp_path).fenced()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not JSON",
        b"[]",
        b'{"schema": 99}',
        b'{"schema": 1, "boot_id": "x", "entries": [{"node": 7}], "strikes": [], "fenced": []}',
        b'{"schema": 1, "boot_id": "x", "entries": [], "strikes": [{"verdict": "maybe"}], "fenced": []}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_garbage_is_an_empty_book_and_a_word_in_the_log(
    tmp_path: Path, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "proofs.json"
    path.write_bytes(data)
    path.chmod(0o600)
    with caplog.at_level(logging.WARNING):
        book = book_in(tmp_path)
    assert (book.known(), book.strikes(), book.fenced()) == ((), (), ())
    assert "nothing counts as proven until the next probes" in caplog.text
    book.probed(DB2, "bmc", GOOD)
    assert book_in(tmp_path).seen_on(DB2, "bmc")


def test_a_file_that_others_may_write_is_not_believed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    book_in(tmp_path).probed(DB2, "bmc", GOOD)
    (tmp_path / "proofs.json").chmod(0o666)
    assert not book_in(tmp_path).seen_on(DB2, "bmc")
    assert "others may read or write it (mode 0666" in caplog.text


def test_a_folder_that_cannot_be_written_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    book = book_in(tmp_path / "gone")
    book.probed(DB2, "bmc", GOOD)
    book.probed(DB2, "bmc", GOOD)
    assert book.seen_on(DB2, "bmc")
    assert caplog.text.count("a restart forgets what was proven") == 1


def test_the_book_is_bounded(tmp_path: Path) -> None:
    book = book_in(tmp_path / "gone")
    for number in range(MOST_ENTRIES + 3):
        book.probed(Node(f"n{number}", "m"), "bmc", GOOD)
    for number in range(MOST_STRIKES + 3):
        book.struck(StrikeRecord("db2", number, 1, "bmc", 1, Verdict.DONE, "x" * 5000, 1.0))
    assert (len(book.known()), len(book.strikes())) == (MOST_ENTRIES, MOST_STRIKES)
    assert max(len(one.detail) for one in book.strikes()) <= 300
    assert not book.of(Node("n0", "m"), "bmc").on_at


def test_no_secret_is_in_the_file(tmp_path: Path) -> None:
    book_in(tmp_path).probed(DB2, "bmc", GOOD)
    assert "bmc.secret" not in (tmp_path / "proofs.json").read_text()
    assert fingerprint_of(SETTINGS["bmc"], "db2", NODES["db2"]) in (tmp_path / "proofs.json").read_text()


# --- boots that have ended, for every service on this host -------------------------------------


def boots(tmp_path: Path, service: str = "orders-db") -> EndedBoots:
    return EndedBoots(tmp_path / "fenced", service)


def test_a_boot_whose_power_was_taken_needs_no_second_strike_by_another_service(tmp_path: Path) -> None:
    assert not boots(tmp_path).off_since(CRUMB)
    report = FenceReport(CRUMB, 42, Verdict.DONE, "off", 1, ("bmc",), True, "2024-05-01T03:01:00Z")
    book_in(tmp_path).ended(report)
    known = boots(tmp_path, "mail").off_since(CRUMB)
    assert known == "already off: fenced at 2024-05-01T03:01:00Z by service orders-db"
    rebooted = Breadcrumb(DB2, 43, "b0070000-0000-0000-0000-000000000002")
    assert not boots(tmp_path, "mail").off_since(rebooted)


@pytest.mark.parametrize(("verdict", "level", "power"), [(Verdict.UNKNOWN, 0, False), (Verdict.DONE, 1, False)])
def test_only_a_power_level_that_was_done_ends_a_boot(
    tmp_path: Path, verdict: Verdict, level: int, power: bool
) -> None:
    book_in(tmp_path).ended(FenceReport(CRUMB, 42, verdict, "", level, ("stop",), power))
    assert not boots(tmp_path).off_since(CRUMB)


@pytest.mark.parametrize("boot_id", ["", "../../etc/passwd", "x", "a" * 80, "b0070000/0000"])
def test_what_is_no_boot_id_is_never_written_nor_read(tmp_path: Path, boot_id: str) -> None:
    crumb = Breadcrumb(DB2, 41, boot_id)
    boots(tmp_path).ended(crumb, "t")
    assert not boots(tmp_path).off_since(crumb)
    assert not (tmp_path / "fenced").exists()


def record_of(tmp_path: Path) -> Path:
    boots(tmp_path).ended(CRUMB, "t")
    (path,) = (tmp_path / "fenced").glob("*.json")
    return path


def test_a_record_that_others_could_have_written_is_not_believed(tmp_path: Path) -> None:
    path = record_of(tmp_path)
    path.chmod(0o644)
    assert not boots(tmp_path).off_since(CRUMB)
    path.chmod(0o600)
    assert boots(tmp_path).off_since(CRUMB)
    path.parent.chmod(0o777)
    assert not boots(tmp_path).off_since(CRUMB)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives a file away")
def test_a_record_of_another_user_is_not_believed(tmp_path: Path) -> None:
    os.chown(record_of(tmp_path), 65534, 65534)
    assert not boots(tmp_path).off_since(CRUMB)


def test_a_link_or_another_machines_record_is_not_believed(tmp_path: Path) -> None:
    path = record_of(tmp_path)
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "machine_id": "another"}))
    assert not boots(tmp_path).off_since(CRUMB)
    path.write_text("not JSON")
    assert not boots(tmp_path).off_since(CRUMB)
    aside = tmp_path / "aside"
    aside.write_text(json.dumps(record))
    aside.chmod(0o600)
    path.unlink()
    path.symlink_to(aside)
    assert not boots(tmp_path).off_since(CRUMB)


def test_a_boot_that_shows_a_new_sign_of_life_has_not_ended_and_the_fence_is_told_not_to_work(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record_of(tmp_path)
    book_in(tmp_path).seen(DB2, "b0070000-0000-0000-0000-000000000002")
    assert boots(tmp_path).off_since(CRUMB)
    book_in(tmp_path).seen(DB2, BOOT)
    assert not boots(tmp_path).off_since(CRUMB)
    assert "that fence does not work" in caplog.text


def test_a_boot_in_which_the_node_was_active_again_has_not_ended(tmp_path: Path) -> None:
    """A container that was stopped and started again has its host's boot-id still; nobody here may have seen it."""
    record_of(tmp_path)
    assert boots(tmp_path).off_since(CRUMB)
    assert not boots(tmp_path).off_since(replace(CRUMB, epoch=CRUMB.epoch + 1))


def test_strikes_are_counted_by_method_and_verdict_since_the_start_of_the_process(tmp_path: Path) -> None:
    book = book_in(tmp_path)
    for number, verdict in enumerate((Verdict.UNKNOWN, Verdict.DONE)):
        book.struck(StrikeRecord("db2", 42, 1, "bmc", number, verdict, "said so", 3.0))
    bmc, stop = book.struck_often()
    assert (bmc.name, stop.name) == ("bmc", "stop")
    assert bmc.verdicts == {"done": 1, "not_done": 0, "unknown": 1}
    assert (bmc.took.sum_s, stop.took.sum_s) == (6.0, 0.0)
    book.configure({"stop": "{}"}, NODES)
    assert [one.name for one in book.struck_often()] == ["stop"]
    assert sum(book_in(tmp_path).struck_often()[0].verdicts.values()) == 0, "a restarted controller begins at nothing"
