"""Reports and errors are plain values: as JSON, equal, hashable, pickled, readable."""

import copy
import json
import pickle
from typing import Any, List

import cuda_primary_context as cpc
import pytest
from simulated import GET_STATE, RELEASE, RETAIN, on_simulator

FAILS = f"{RELEASE}:1:719:refused:once:0,{GET_STATE}:1:999:refused:once:3"


@on_simulator(held_by_others="0:1,2:1,4:3", devices=5, fault=FAILS)
def test_attributes_are_the_fields_of_the_json_object() -> None:
    report = cpc.retain_only(1, keep=[2]).report
    plain = report.to_dict()
    assert json.loads(report.to_json()) == plain
    assert plain["summary"] == report.summary == "kept 1; still active 4; left alone 2; failed 0, 3"
    for line, device in zip(plain["devices"], report.devices):
        assert line == device.to_dict()
        for name, value in line.items():
            attribute = getattr(device, name)
            if name == "calls":
                attribute = [call.to_dict() for call in attribute]
            assert value == (attribute.to_dict() if name == "error" else attribute)
    failed = report.devices[3]
    assert failed.active is None and failed.error is not None
    assert failed.error.name == "CUDA_ERROR_UNKNOWN"
    calls = [call for line in plain["devices"] for call in line["calls"]]
    assert [call.to_dict() for call in report.calls] == calls
    assert report.kept is not None and plain["kept"] == report.kept.to_dict()
    assert plain["driver"] == cpc.driver().to_dict() == report.driver.to_dict()

    plan = cpc.plan(1, keep=[2])
    assert plan.to_dict()["dry_run"] is True
    assert plan.to_dict()["devices"] == [device.to_dict() for device in plan.devices]
    assert [device.planned for device in plan.devices][:3] == ["release", "keep", "leave_alone"]
    uuid = cpc.devices()[2].uuid
    assert cpc.contexts()[1].to_dict() == {"ordinal": 2, "uuid": uuid, "active": True, "flags": 0}


def values() -> List[Any]:
    found: List[Any] = [cpc.retain_only(1, keep=[2]).report, cpc.plan(1), cpc.driver()]
    report = found[0]
    found += [*report.devices, *report.devices[0].calls, report.current_context]
    found += [*cpc.contexts(), *cpc.devices(), *cpc.plan(1).devices, report.devices[0].error]
    return found


@on_simulator(held_by_others="0:1", fault=FAILS)
def test_values_are_equal_hashable_and_pickled() -> None:
    for value in values():
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            again = pickle.loads(pickle.dumps(value, protocol))
            assert again == value and hash(again) == hash(value) and again is not value
            assert (repr(again), str(again)) == (repr(value), str(value))
        json.dumps(value.to_dict())
        assert copy.deepcopy(value) == value and value != object()
        if not isinstance(value, cpc.Error):
            with pytest.raises(AttributeError):
                value.ordinal = 3
    assert cpc.plan(1) != cpc.plan(2)
    # A report does not have its name.
    with cpc.retain_only(1) as guard:
        named, other = cpc.devices()[1], cpc.devices()[2]
        assert (guard.device.name, guard.device.ordinal) == (None, 1) and named.name
        assert guard.device == named != other and hash(guard.device) == hash(named)
    with pytest.raises(TypeError, match="cannot pickle"):
        pickle.dumps(cpc.retain_only(1))


@on_simulator(held_by_others="0:1")
def test_values_can_be_read() -> None:
    guard = cpc.retain_only(1)
    report = guard.report
    assert repr(report) == "<Report kept 1; released 0>"
    assert str(report.devices[1]) == f"device 1: kept ({RETAIN}: CUDA_SUCCESS (0))"
    call = report.devices[1].calls[0]
    assert str(call) == f"{RETAIN}: CUDA_SUCCESS (0)"
    assert repr(call) == f"Call(call='{RETAIN}', code=0, name='CUDA_SUCCESS')"
    assert repr(report.devices[1]).startswith("DeviceReport(ordinal=1, uuid='GPU-")
    assert repr(cpc.plan(1)).startswith("Plan(driver=Driver(path=")
    assert repr(guard) == "<PrimaryContextGuard of device 1>"
    guard.release()
    assert repr(guard) == "<PrimaryContextGuard of device 1, released>"


def test_errors_that_differ_in_one_field_are_not_equal() -> None:
    fields = {"kind": "driver", "call": RETAIN, "device": 1, "code": 2, "name": "CUDA_ERROR_OUT_OF_MEMORY"}
    error = cpc.DriverError("text", **fields)
    assert error == cpc.DriverError("text", **fields)
    assert error.to_dict() == {**fields, "message": "text"}
    for name, other in {"kind": "x", "call": "x", "device": 2, "code": 3, "name": "x"}.items():
        assert error != cpc.DriverError("text", **{**fields, name: other}), name
    assert error != cpc.DriverError("other", **fields)
    assert error != cpc.Error("text", **fields) and error != "text"
