"""Reports and errors are plain values: as JSON, equal, hashable, pickled, readable."""

import copy
import json
import pickle
from typing import Any, List

import cuda_primary_context as cpc
import pytest
from cuda_primary_context import _native, _report
from simulated import GET_STATE, RELEASE, RETAIN, on_simulator

FAILS = f"{RELEASE}:1:719:refused:once:0,{GET_STATE}:1:999:refused:once:3"


def told_by_rust(kept: int) -> "tuple[Any, cpc.Report]":
    """A report as the crate serialises it, and the same as this package has it."""
    guard, told = _native.retain_only(kept, [2])
    return json.loads(told[0]), _report._report(*told)


@on_simulator(held_by_others="0:1,2:1,4:3", devices=5, fault=FAILS)
def test_reports_are_the_object_that_the_crate_makes() -> None:
    told, report = told_by_rust(1)
    assert report.to_dict() == told
    assert json.loads(report.to_json()) == told
    outcomes = {device["outcome"] for device in told["devices"]}
    assert outcomes == {"failed", "kept", "still_active"}
    failed = told["devices"][3]
    assert failed["active"] is None and failed["error"]["name"] == "CUDA_ERROR_UNKNOWN"


@on_simulator(held_by_others="0:1", fault=FAILS)
def test_plans_contexts_and_devices_are_the_objects_that_the_crate_makes() -> None:
    told = json.loads(_native.plan(1, [2])[0])
    assert cpc.plan(1, keep=[2]).to_dict() != told  # the failure came once
    told = json.loads(_native.plan(1, [2])[0])
    assert cpc.plan(1, keep=[2]).to_dict() == told
    assert [context.to_dict() for context in cpc.contexts()] == json.loads(_native.contexts())
    assert [device.to_dict() for device in cpc.devices()] == json.loads(_native.devices())
    assert cpc.driver().to_dict() == json.loads(_native.driver())


def values() -> List[Any]:
    found: List[Any] = [cpc.retain_only(1, keep=[2]).report, cpc.plan(1), cpc.driver()]
    report = found[0]
    found += [*report.devices, *report.devices[0].calls, report.current_context]
    found += [*cpc.contexts(), *cpc.devices(), *cpc.plan(1).devices]
    return found


@on_simulator(held_by_others="0:1", fault=FAILS)
def test_values_are_equal_hashable_and_pickled() -> None:
    for value in values():
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            again = pickle.loads(pickle.dumps(value, protocol))
            assert again == value and hash(again) == hash(value) and again is not value
            assert (repr(again), str(again)) == (repr(value), str(value))
        assert copy.deepcopy(value) == value
        json.dumps(value.to_dict())
        assert value != object()
        with pytest.raises(AttributeError):
            value.ordinal = 3
    first, second = cpc.plan(1), cpc.plan(2)
    assert first != second


@on_simulator(held_by_others="0:1")
def test_values_can_be_read() -> None:
    guard = cpc.retain_only(1)
    report = guard.report
    assert repr(guard) == "<PrimaryContextGuard of device 1>"
    assert repr(report) == (
        "<Report kept=1 outcomes={0: 'released', 1: 'kept', 2: 'already_inactive', 3: 'already_inactive'}>"
    )
    table = str(report).splitlines()
    assert table[0].split() == ["device", "UUID", "outcome", "driver", "calls"]
    assert table[1].split()[:3] == ["0", report.devices[0].uuid, "released"]
    assert str(report.devices[1]) == f"device 1: kept ({RETAIN}: CUDA_SUCCESS (0))"
    assert str(report.devices[1].calls[0]) == f"{RETAIN}: CUDA_SUCCESS (0)"
    assert repr(report.devices[1]).startswith("DeviceReport(ordinal=1, uuid='GPU-")
    assert repr(cpc.plan(1)).startswith("<Plan kept=1 planned={0: 'already_inactive', 1: 'keep'")
    assert "planned (dry run)" in str(cpc.plan(1))
    guard.release()
    assert repr(guard) == "<PrimaryContextGuard of device 1, released>"


@on_simulator()
def test_errors_are_values_too() -> None:
    with pytest.raises(cpc.NoSuchDeviceError) as raised:
        cpc.retain_only(9)
    error = raised.value
    again = pickle.loads(pickle.dumps(error))
    assert again == error and hash(again) == hash(error) and str(again) == str(error)
    assert vars(again) == vars(error) and copy.copy(error) == error
    assert error.to_dict() == {
        "kind": "no_such_device",
        "call": None,
        "device": 9,
        "code": None,
        "name": None,
        "message": str(error),
    }
    assert error != cpc.Error(str(error)) and error != str(error)


@on_simulator()
def test_a_guard_is_no_value() -> None:
    guard = cpc.retain_only(1)
    with pytest.raises(TypeError, match="cannot pickle"):
        pickle.dumps(guard)
