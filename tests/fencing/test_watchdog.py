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
settings = WatchdogSettings(device=Path(sys.argv[1]), timeout="2s", allow_on_virtual_machine=True)
fence = WatchdogSelfFence(settings, Promise(2, 5.0), Path(sys.argv[2]))
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


def test_a_device_is_named_in_every_word(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="/nowhere cannot be used"):
        Device(Path("/nowhere"), -1).feed()
