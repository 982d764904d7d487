"""Self-fencing on a device with the kernel's semantics: what feeds the dog, what does not, and what disarms it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.models.watchdog import WatchdogSettings
from config.self_fencing import Promise
from failover.ports.self_fence import SELF_FENCE_SOCKET
from fencing.watchdog.device import Device, DeviceError, open_armed
from fencing.watchdog.preflight import doubts
from fencing.watchdog.self_fence import WatchdogSelfFence
from tests.servers.wait import eventually
from tests.servers.watchdog import FakeDevice, ended, let_go, missing, watchdog_device

needs_device = pytest.mark.skipif(bool(missing()), reason=missing() or "-")
W_S = 9
PROMISE = Promise(W_S, 5.0)


@pytest.fixture
def device(tmp_path: Path) -> Iterator[FakeDevice]:
    with watchdog_device(tmp_path / "device") as found:
        yield found
        close_all()


made: list[WatchdogSelfFence] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Whatever a test has made is closed, and its guard lets go."""
    yield
    close_all()


def close_all() -> None:
    """All hang up first: a guard that one of them has started may serve another one."""
    for fence in made:
        fence.stand_down()
        fence.close()
    folders = {fence._guardian._path for fence in made}
    guards = [fence._guardian._process for fence in made]
    made.clear()
    for path in folders:
        let_go(path)
    for guard in guards:
        if guard is not None:
            eventually(lambda pid=guard.pid: ended(pid), 5, f"guard {guard.pid} ends")  # type: ignore[misc]


def fence_of(device: Path, folder: Path, mode: str = "required", timeout: str = "9s") -> WatchdogSelfFence:
    settings = {"device": str(device), "mode": mode, "timeout": timeout, "allow_on_virtual_machine": True}
    fence = WatchdogSelfFence(WatchdogSettings.model_validate(settings), PROMISE, folder)
    made.append(fence)
    return fence


def now_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def fires(device: FakeDevice) -> None:
    eventually(lambda: "fired" in device.events(), 10, "the dog fires")


@needs_device
def test_it_is_armed_fed_by_fresh_proofs_only_and_disarmed(device: FakeDevice, tmp_path: Path) -> None:
    fence = fence_of(device.path, tmp_path)
    arming = fence.arm(now_s(), 0.1)
    assert (arming.bar, arming.published["armed"], arming.published["k"]) == ("", True, 2)
    assert arming.published["timeout_s"] == W_S
    pets = device.pets()
    fence.proven(now_s() - 6)
    assert device.pets() == pets
    fence.proven(now_s())
    assert device.pets() == pets + 1
    fence.stand_down()
    eventually(lambda: device.events() == ["armed", "disarmed"], 5, "disarmed")


@needs_device
def test_without_a_proof_it_is_not_armed(device: FakeDevice, tmp_path: Path) -> None:
    fence = fence_of(device.path, tmp_path)
    assert "was not proven lately" in fence.arm(None, 0.1).bar
    assert "was not proven lately" in fence.arm(now_s() - 6, 0.1).bar
    assert device.events() == []


@needs_device
def test_who_is_not_fed_any_more_is_reset(device: FakeDevice, tmp_path: Path) -> None:
    fence = fence_of(device.path, tmp_path, timeout="1s")
    assert not fence.arm(now_s(), 0.1).bar
    fires(device)


@needs_device
def test_a_successor_gets_the_armed_device_and_the_dog_was_not_fed_in_between(
    device: FakeDevice, tmp_path: Path
) -> None:
    first = fence_of(device.path, tmp_path)
    first.arm(now_s(), 0.1)
    pets = device.pets()
    first.close()
    second = fence_of(device.path, tmp_path)
    second.resume()
    assert second.armed
    assert (device.pets(), device.events()) == (pets, ["armed"])
    second.stand_down()
    eventually(lambda: device.events() == ["armed", "disarmed"], 5, "disarmed")


HOLDER = """
import sys, time
from pathlib import Path
from config.models.watchdog import WatchdogSettings
from config.self_fencing import Promise
from fencing.watchdog.self_fence import WatchdogSelfFence
settings = WatchdogSettings(device=Path(sys.argv[1]), timeout="3s", allow_on_virtual_machine=True)
fence = WatchdogSelfFence(settings, Promise(1, 5.0), Path(sys.argv[2]))
if sys.argv[3] == "alone":
    fence._guardian.hold = fence._guardian.ready_with = lambda *_: None
assert not fence.arm(time.clock_gettime(time.CLOCK_BOOTTIME), 0.1).bar
print("armed", flush=True)
time.sleep(60)
"""


@needs_device
@pytest.mark.parametrize("guarded", [True, False])
def test_a_killed_controller_does_not_feed_the_dog_with_its_last_breath(
    device: FakeDevice, tmp_path: Path, guarded: bool
) -> None:
    """The bad form too: without a second holder the kernel feeds it once more at the kill."""
    words = [sys.executable, "-c", HOLDER, str(device.path), str(tmp_path), "guarded" if guarded else "alone"]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"armed\n"
        os.kill(holder.pid, signal.SIGKILL)
    fires(device)
    if guarded:
        eventually(lambda: "reset" in device.events(), 10, "the host is reset")
    let_go(tmp_path / SELF_FENCE_SOCKET)
    assert device.events()[:3] == (["armed", "fired", "reset"] if guarded else ["armed", "closed without V", "fired"])


@needs_device
def test_a_v_without_a_close_is_taken_back_by_the_next_pet(device: FakeDevice, tmp_path: Path) -> None:
    """A controller that dies between its V and its close must not leave the next one with a dog that just ends."""
    opened = open_armed(device.path)
    opened.set_timeout(1)
    os.write(opened.fd, b"V")
    opened.feed()
    opened.close()
    eventually(lambda: "closed without V" in device.events(), 5, "it stays armed")


@needs_device
def test_a_busy_device_bars_or_is_told(device: FakeDevice, tmp_path: Path) -> None:
    other = open_armed(device.path)
    assert "is in use" in fence_of(device.path, tmp_path).arm(now_s(), 0.1).bar
    automatic = fence_of(device.path, tmp_path, mode="automatic").arm(now_s(), 0.1)
    assert (automatic.bar, automatic.published["armed"]) == ("", False)
    other.disarm()


@needs_device
@pytest.mark.parametrize(("options", "words"), [(0x8580, "only raises an alarm"), (0x8080, "has no magic close")])
def test_a_driver_that_could_not_keep_the_promise_is_refused(tmp_path: Path, options: int, words: str) -> None:
    with watchdog_device(tmp_path / "device", options=options) as device:
        fence = fence_of(device.path, tmp_path)
        assert words in fence.arm(now_s(), 0.1).bar
        assert not fence.armed
        eventually(lambda: device.events() == ["armed", "disarmed"], 5, "and left disarmed")


@needs_device
def test_a_time_out_that_renewals_cannot_meet_is_refused(device: FakeDevice, tmp_path: Path) -> None:
    assert "too short for a renewal every 4 s" in fence_of(device.path, tmp_path).arm(now_s(), 4.0).bar


def test_what_is_no_watchdog_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "is not a watchdog" in fence_of(tmp_path / "file", tmp_path).arm(now_s(), 0.1).bar
    with pytest.raises(DeviceError, match="does not exist"):
        open_armed(tmp_path / "nothing")
    assert "No such file" in fence_of(tmp_path / "nothing", tmp_path).bar


def test_a_virtual_machine_is_told(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text("flags\t\t: fpu vme hypervisor lahf_lm\n")
    (tmp_path / "dog").touch()
    found = doubts(WatchdogSettings(device=tmp_path / "dog"), tmp_path)
    assert [doubt.key for doubt in found if doubt.bars] == ["allow_on_virtual_machine"]
    allowed = WatchdogSettings(device=tmp_path / "dog", allow_on_virtual_machine=True)
    assert not [doubt for doubt in doubts(allowed, tmp_path) if doubt.bars]


def in_sysfs(root: Path, **values: str) -> Path:
    """A host's /sys in which /dev/null is a watchdog: it is a character device that does nothing."""
    status = os.stat("/dev/null")
    folder = root / f"sys/dev/char/{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    folder.mkdir(parents=True)
    for name, value in {"identity": "Software Watchdog", "state": "inactive", "nowayout": "0", **values}.items():
        (folder / name).write_text(f"{value}\n")
    return root


@pytest.mark.parametrize(
    ("values", "key", "words", "bars"),
    [
        ({}, "", "", False),
        ({"state": "active"}, "device", "is armed already", False),
        ({"nowayout": "1"}, "device", "never be disarmed", False),
        ({"max_timeout": "5"}, "timeout", "counts to 5 s at most", True),
        ({"max_timeout": "0"}, "", "", False),  # the kernel's word for "no limit"
    ],
)
def test_what_sysfs_says_is_told_before_anything_is_armed(
    tmp_path: Path, values: dict[str, str], key: str, words: str, bars: bool
) -> None:
    found = doubts(WatchdogSettings(device=Path("/dev/null")), in_sysfs(tmp_path, **values))
    assert [(doubt.key, doubt.bars) for doubt in found] == ([(key, bars)] if key else [])
    assert all(words in doubt.message for doubt in found)


@pytest.mark.parametrize(
    ("where", "text", "told"),
    [
        ("etc/modprobe.d/dog.conf", "options softdog soft_margin=60 soft_noboot=1\n", True),
        ("proc/cmdline", "quiet softdog.soft_noboot=1\n", True),
        ("etc/modprobe.d/dog.conf", "# options softdog soft_noboot=1\noptions softdog soft_noboot=0\n", False),
    ],
)
def test_softdog_that_never_resets_is_told(tmp_path: Path, where: str, text: str, told: bool) -> None:
    """softdog does not show the parameter in sysfs (seen in a real one): told is where it is asked for."""
    root = in_sysfs(tmp_path)
    (root / where).parent.mkdir(parents=True)
    (root / where).write_text(text)
    found = doubts(WatchdogSettings(device=Path("/dev/null")), root)
    assert [(doubt.bars, "never resets" in doubt.message) for doubt in found] == ([(True, True)] if told else [])


@needs_device
@pytest.mark.parametrize("mode", ["automatic", "required"])
def test_where_it_would_promise_in_vain_it_is_not_armed_in_either_mode(
    device: FakeDevice, tmp_path: Path, mode: str
) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text("flags\t\t: fpu hypervisor\n")
    settings = WatchdogSettings.model_validate({"device": str(device.path), "mode": mode, "timeout": "9s"})
    fence = WatchdogSelfFence(settings, PROMISE, tmp_path, tmp_path)
    made.append(fence)
    arming = fence.arm(now_s(), 0.1)
    assert arming.published["armed"] is False
    assert ("virtual machine" in arming.bar) == ("virtual machine" in fence.bar) == (mode == "required")
    assert device.events() == []


@needs_device
def test_a_driver_with_nowayout_is_published_and_resets_a_standby(device: FakeDevice, tmp_path: Path) -> None:
    device.never_lets_go()
    fence = fence_of(device.path, tmp_path, timeout="1s")
    assert not fence.arm(now_s(), 0.1).bar
    fence.stand_down()
    assert not fence.armed
    fires(device)


OLD = {"armed": True, "timeout_s": W_S, "lease_max_age_s": 5.0, "k": 2, "epsilon_s": 1.0}


CARRIED_ON = (
    (OLD, ""),
    ({**OLD, "timeout_s": 8}, "can keep only"),
    ({**OLD, "epsilon_s": 0.5}, "can keep only"),
    ({**OLD, "lease_max_age_s": 0.05}, "can keep only"),
    ({"armed": False}, ""),
    (None, ""),
)


@needs_device
def test_who_carries_on_keeps_what_the_breadcrumb_promises_or_says_why_not(device: FakeDevice, tmp_path: Path) -> None:
    """The guard was lost with the last controller, so the dog is armed anew; the breadcrumb stays as it is."""
    for number, (told, words) in enumerate(CARRIED_ON, 1):
        fence = fence_of(device.path, tmp_path)
        unkept = fence.carry_on(told, now_s(), 0.1)
        assert words in unkept
        assert bool(words) == bool(unkept)
        fence.stand_down()
        fence.close()
        eventually(lambda n=number: device.events() == ["armed", "disarmed"] * n, 5, "let go")  # type: ignore[misc]


@needs_device
def test_who_carries_on_feeds_by_the_shorter_age(device: FakeDevice, tmp_path: Path) -> None:
    fence = fence_of(device.path, tmp_path)
    assert fence.carry_on({**OLD, "lease_max_age_s": 2.0}, now_s(), 0.1) == ""
    pets = device.pets()
    fence.proven(now_s() - 3)
    assert device.pets() == pets


@needs_device
def test_a_promise_that_cannot_be_armed_any_more_is_told_also_where_it_need_not_be_armed(
    device: FakeDevice, tmp_path: Path
) -> None:
    other = open_armed(device.path)
    fence = fence_of(device.path, tmp_path, mode="automatic")
    assert "it is not armed" in fence.carry_on(OLD, now_s(), 0.1)
    assert fence.carry_on({"armed": False}, now_s(), 0.1) == ""
    other.disarm()


@needs_device
def test_a_guard_that_is_killed_is_replaced_and_one_that_cannot_be_is_told(device: FakeDevice, tmp_path: Path) -> None:
    fence = fence_of(device.path, tmp_path)
    fence.arm(now_s(), 0.1)
    first = fence._guardian._process
    assert first is not None
    first.kill()
    first.wait(5)
    assert fence.proven(now_s()) == ""
    second = fence._guardian._process
    assert second is not None
    assert second.pid != first.pid
    second.kill()
    second.wait(5)
    fence._guardian._path = tmp_path / "no such folder" / "socket"
    assert "cannot be started" in fence.proven(now_s())
    assert fence.armed


@needs_device
def test_what_was_armed_before_the_watchdog_was_taken_out_of_the_file_is_fed_until_it_is_let_go(
    device: FakeDevice, tmp_path: Path
) -> None:
    fence_of(device.path, tmp_path).arm(now_s(), 0.1)
    made[0].close()
    later = fence_of(device.path, tmp_path, mode="off")
    later.resume()
    pets = device.pets()
    assert later.carry_on(OLD, now_s(), 0.1) == ""
    assert device.pets() == pets + 1
    later.stand_down()
    eventually(lambda: device.events() == ["armed", "disarmed"], 5, "disarmed")
    assert later.arm(now_s(), 0.1).published == {"armed": False, "why": "watchdog: mode: off"}


def test_a_device_is_named_in_every_word(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="/nowhere cannot be used"):
        Device(Path("/nowhere"), -1).feed()
