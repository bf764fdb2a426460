"""Beside NVIDIA's own Python packages in one process: their work on the kept device continues."""

import importlib.util
from typing import Any

import cuda_primary_context as cpc
import pytest
from simulated import on_simulator, references

if importlib.util.find_spec("cuda") is None:
    pytest.skip("cuda-bindings and cuda-core are not installed here", allow_module_level=True)


@on_simulator()
def test_beside_cuda_bindings() -> None:
    from cuda.bindings import driver

    def call(function: Any, *arguments: Any) -> Any:
        code, *outputs = function(*arguments)
        assert code == driver.CUresult.CUDA_SUCCESS, code
        return outputs[0] if len(outputs) == 1 else outputs

    call(driver.cuInit, 0)
    devices = [call(driver.cuDeviceGet, ordinal) for ordinal in range(4)]
    contexts = [call(driver.cuDevicePrimaryCtxRetain, device) for device in devices]
    call(driver.cuCtxSetCurrent, contexts[1])
    memory = call(driver.cuMemAlloc, 1 << 20)
    call(driver.cuMemsetD8, memory, 7, 1 << 20)

    guard = cpc.retain_only(1, keep=[3])
    assert [line.outcome for line in guard.report.devices] == ["released", "kept", "released", "left_alone"]
    assert not guard.report.current_context_switched
    assert [call(driver.cuDevicePrimaryCtxGetState, device)[1] for device in devices] == [0, 1, 0, 1]

    host = bytearray(16)
    call(driver.cuMemcpyDtoH, host, memory, len(host))
    assert host == bytes([7]) * 16
    call(driver.cuMemFree, memory)
    guard.release()
    call(driver.cuCtxSynchronize)
    assert references(1) == 1


@on_simulator(knobs="handles_are_ordinals=1")
def test_beside_cuda_core() -> None:
    from cuda.core import Device

    for ordinal in (0, 2, 1):
        Device(ordinal).set_current()
    kept = Device(1)
    guard = cpc.retain_only(kept.device_id)
    assert guard.report.summary == "kept 1; released 0, 2"
    assert guard.device.uuid == f"GPU-{kept.uuid}"
    stream = kept.create_stream()
    event = stream.record()
    stream.sync()
    assert event.is_done
    guard.release()
    assert references(1) == 1
