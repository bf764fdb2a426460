"""One device is kept, the strays on others go, and the report has every call."""

import ctypes
import gc
import pickle
from typing import Any, Callable, List

import cuda_primary_context as cpc
import pytest
from simulated import (
    GET_STATE,
    RELEASE,
    RETAIN,
    driver,
    handle_of,
    on_simulator,
    references,
    touch,
)


@on_simulator(held_by_others="2:3", devices=5)
def test_strays_go_and_the_kept_and_held_devices_stay() -> None:
    other = cpc.retain_only(4, keep=[2])
    assert driver().cuCtxSetCurrent(touch(0)) == 0
    guard = cpc.retain_only(1)
    first, kept, third, inactive, held = devices = guard.report.devices
    outcomes = ["released", "kept", "still_active", "already_inactive", "held_here"]
    assert [device.outcome for device in devices] == outcomes
    assert [references(ordinal) for ordinal in range(5)] == [0, 1, 2, 0, 1]
    looks = ["cuCtxGetCurrent", "cuCtxGetDevice"]
    assert [call.call for call in third.calls] == [GET_STATE, *looks, RELEASE, GET_STATE]
    assert all(call.code == 0 and call.name == "CUDA_SUCCESS" for call in third.calls)
    assert [call.call for call in kept.calls] == [RETAIN]
    assert (first.releases, third.releases, kept.releases, held.handles) == (1, 1, None, 1)
    assert (first.error, inactive.active, guard.device) == (None, None, guard.report.kept)
    guard.report.check()
    change = guard.report.current_context
    assert (change.change, change.from_device, change.error) == ("switched", 0, None)
    assert guard.report.current_context_switched
    current = ctypes.c_int()
    assert driver().cuCtxGetDevice(ctypes.byref(current)) == 0
    assert current.value == handle_of(1).value
    other.release()
    assert references(4) == 0 and cpc.unreleased() == 0


@on_simulator()
def test_guards_give_back_once() -> None:
    guard = cpc.retain_only(1)
    assert references(1) == 1 and not guard.released
    for _ in range(2):
        guard.release()
        assert references(1) == 0 and guard.released
    with pytest.raises(RuntimeError, match="it holds no device"):
        with guard:
            raise AssertionError
    touch(1)
    guard.release()
    del guard
    assert references(1) == 1

    with cpc.retain_only(0) as guard:
        assert references(0) == 1
    assert references(0) == 0 and guard.released
    with pytest.raises(KeyError):
        with cpc.retain_only(0):
            raise KeyError
    assert references(0) == 0
    guard = cpc.retain_only(0)
    del guard
    assert references(0) == 0


@on_simulator(fault=f"{RELEASE}:1:700:refused:once:1,{RELEASE}:2:700:refused:once:1,{RELEASE}:1:700:refused:once:0")
def test_a_refused_release_can_be_made_again_or_given_up_on() -> None:
    guard = cpc.retain_only(1)
    for _ in range(2):
        with pytest.raises(cpc.DriverError) as raised:
            guard.release()
        assert (raised.value.call, raised.value.device, raised.value.code) == (RELEASE, 1, 700)
        assert not guard.released and references(1) == 1
    guard.release()
    assert guard.released and references(1) == 0 and cpc.unreleased() == 0
    # One that is dropped after a refusal is not released a second time.
    guard = cpc.retain_only(0)
    with pytest.raises(cpc.DriverError):
        guard.release()
    del guard, raised
    assert references(0) == 1 and cpc.unreleased() == 1


class Index:
    """As a torch.device is."""

    def __init__(self, index: object, type: str = "cuda") -> None:
        self.index = index
        self.type = type


class Integer:
    def __index__(self) -> int:
        return 2


@on_simulator()
def test_devices_have_many_names() -> None:
    device = cpc.devices()[2]
    names = [2, Integer(), "cuda:2", device.uuid, device.pci_bus_id, Index(2), Index(Integer())]
    for name in names:
        with cpc.retain_only(name, keep=names) as guard:  # type: ignore[arg-type]
            assert guard.device.ordinal == 2 and guard.device.uuid == device.uuid
        assert cpc.plan(name).kept == guard.device  # type: ignore[arg-type]


@on_simulator(knobs="mig_instances=1", held_by_others="0:1")
def test_instances_of_a_divided_gpu_have_names_too() -> None:
    uuids = [str(device.uuid) for device in cpc.devices()]
    assert all(uuid.startswith("MIG-") for uuid in uuids) and len(set(uuids)) == 4
    assert cpc.plan(uuids[1], keep=[uuids[0]]).devices[0].planned == "leave_alone"
    with cpc.retain_only(uuids[1], keep=[uuids[2]]) as guard:
        assert guard.device.uuid == uuids[1]
        outcomes = [device.outcome for device in guard.report.devices]
        assert outcomes == ["released", "kept", "left_alone", "already_inactive"]
        assert guard.report.devices[2].calls == ()
    assert cpc.release_strays(keep=[uuids[3]]).devices[3].outcome == "left_alone"
    assert cpc.holders(uuids[0]) is None
    with pytest.raises(cpc.UnknownDeviceError):
        cpc.plan(uuids[0].replace("MIG-", "GPU-"))


@on_simulator()
def test_what_names_no_device_is_refused() -> None:
    forms = "an ordinal .1., .cuda:1.*a unique id .*a PCI address"
    refused: List[Any] = [
        (Index(None), ValueError, "does not say which"),
        ("cuda", ValueError, "does not say which"),
        (Index(0, "cpu"), ValueError, "no CUDA device"),
        ("cpu", ValueError, forms),
        (-1, ValueError, "ordinals begin at 0"),
        (Index(-1), ValueError, "ordinals begin at 0"),
        ("cuda:-1", ValueError, forms),
        ("cuda:+1", ValueError, forms),
        ("cuda:", ValueError, forms),
        (1 << 32, ValueError, "is no ordinal"),
        (1.0, TypeError, forms),
        (True, TypeError, forms),
        ([0], TypeError, forms),
        ("1", ValueError, forms),
        ("", ValueError, forms),
        ("GPU-12", ValueError, "no device's unique id"),
        (4, cpc.NoSuchDeviceError, "0 to 3"),
        ("cuda:4", cpc.NoSuchDeviceError, "0 to 3"),
        ("GPU-00000000-0000-0000-0000-000000000000", cpc.UnknownDeviceError, "among the 4"),
        ("0000:FF:00.0", cpc.UnknownDeviceError, "among the 4"),
    ]
    for name, kind, message in refused:
        for call in (cpc.retain_only, cpc.plan, cpc.holders, lambda name: cpc.retain_only(0, keep=[name])):
            with pytest.raises(kind, match=message):
                call(name)
    with pytest.raises(TypeError, match=forms):
        cpc.retain_only(None)  # type: ignore[arg-type]
    for one in ("GPU-1", "1", 1):
        with pytest.raises(TypeError, match=r"write keep=\["):
            cpc.retain_only(0, keep=one)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"write keep=\["):
            cpc.plan(keep=one)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"write keep=\["):
            cpc.release_strays(keep=one)  # type: ignore[arg-type]
    assert [references(ordinal) for ordinal in range(4)] == [0, 0, 0, 0]


@on_simulator(held_by_others="0:1,1:1,2:2")
def test_a_plan_changes_nothing_and_comes_true() -> None:
    plan = cpc.plan(1, keep=[2])
    planned = [device.planned for device in plan.devices]
    assert planned == ["release", "keep", "leave_alone", "already_inactive"]
    assert plan.devices[0].at_most == 1
    whole = cpc.plan()
    assert whole.kept is None
    assert [device.planned for device in whole.devices][:3] == ["release"] * 3
    assert [references(ordinal) for ordinal in range(3)] == [1, 1, 2]

    report = cpc.release_strays(keep=[2])
    assert report.kept is None
    assert [references(ordinal) for ordinal in range(3)] == [0, 0, 2]
    assert [device.outcome for device in report.devices][:2] == ["released"] * 2


@on_simulator(held_by_others="0:1,2:1", fault=f"{RELEASE}:1:719:refused:once:0,{GET_STATE}:1:999:refused:once:3")
def test_a_failure_ends_one_device_and_is_reported() -> None:
    reports = []

    def run() -> None:
        guard = cpc.retain_only(1)
        reports.append(guard.report)
        guard.report.check()

    gc.disable()
    with pytest.raises(cpc.DriverError):
        run()
    # The exception's traceback, in which the guard is, is not kept by the report.
    assert references(1) == 0
    report = reports[0]
    failed, _, released, unknown = report.devices
    assert (failed.outcome, failed.active, failed.releases) == ("failed", True, 0)
    assert isinstance(failed.error, cpc.DriverError)
    assert (failed.error.call, failed.error.device, failed.error.code) == (RELEASE, 0, 719)
    assert failed.error.name == "CUDA_ERROR_LAUNCH_FAILED"
    assert (released.outcome, unknown.outcome, unknown.active) == ("released", "failed", None)
    for each in (report, pickle.loads(pickle.dumps(report))):
        with pytest.raises(cpc.DriverError) as raised:
            each.check()
        assert raised.value == failed.error


@on_simulator()
def test_looking_again_finds_the_devices_that_are_back() -> None:
    runs: List[Callable[[], cpc.Report]] = [
        lambda: cpc.retain_only(1).report,
        lambda: cpc.release_strays(keep=[1]),
    ]
    for run in runs:
        touch(0)
        report = run()
        assert report.devices[0].outcome == "released" and report.look_again() == ()
        touch(0)
        assert report.look_again() == (0,) and references(0) == 1
        with pytest.raises(ValueError, match="was unpickled"):
            pickle.loads(pickle.dumps(report)).look_again()
        cpc.release_strays()
