"""A program that uses everything of the package, for the type checkers; and it runs."""

from __future__ import annotations

import os
from typing import Dict, List, Optional, Tuple, Union

import cuda_primary_context as cpc
from cuda_primary_context import checkpoint


class Elsewhere:
    """A device of another library."""

    index: int = 1


def whoever_holds() -> Tuple[List[int], Dict[int, str]]:
    driver: cpc.Driver = cpc.driver()
    version: Tuple[str, int] = (driver.path, driver.version)
    named: Tuple[cpc.NamedDevice, ...] = cpc.devices()
    names: List[Optional[str]] = [each.name for each in named]
    assert version and names
    active: List[int] = []
    for context in cpc.contexts():
        flags: Optional[int] = context.flags
        error: Optional[cpc.Error] = context.error
        if context.active and flags is not None and error is None:
            active.append(context.ordinal)
    plan: cpc.Plan = cpc.plan(0, keep=[1])
    planned: Dict[int, str] = {each.ordinal: each.planned for each in plan.devices}
    details: List[Tuple[Optional[int], Optional[int]]] = [
        (each.at_most, each.handles) for each in plan.devices
    ]
    assert len(details) == len(cpc.plan().devices)
    return active, planned


def keep(device: cpc.DeviceLike) -> cpc.Report:
    with cpc.retain_only(device, keep=[0, Elsewhere()]) as guard:
        kept: cpc.Device = guard.device
        place: Tuple[int, Optional[str], Optional[str]] = (kept.ordinal, kept.uuid, kept.pci_bus_id)
        assert place and not guard.released
    guard.release()
    return guard.report


def tell(report: cpc.Report) -> str:
    lines: List[str] = [str(report), repr(report), report.to_json(), str(report.to_dict())]
    for device in report.devices:
        error: Optional[cpc.Error] = device.error
        calls: List[Tuple[str, int, Optional[str]]] = [
            (call.call, call.code, call.name) for call in device.calls
        ]
        counts: Tuple[Optional[int], Optional[int]] = (device.releases, device.handles)
        flags: Optional[bool] = device.active
        lines.append(f"{device.ordinal} {device.uuid} {device.outcome} {calls} {counts} {flags} {error}")
    change: cpc.CurrentContext = report.current_context
    lines.append(
        f"{report.current_context_switched} {change.change} {change.from_device} {change.error}"
    )
    report.check()
    return "\n".join(lines)


def held(report: cpc.Report) -> List[Tuple[str, int, int, int, int]]:
    holders: List[cpc.Holder] = [holder for device in report.devices for holder in device.holders or ()]
    holders += cpc.holders(1) or ()
    return [
        (each.library, each.references, each.green_contexts, each.ordinary_contexts, each.taken)
        for each in holders
    ]


def why(error: cpc.Error) -> Tuple[str, Optional[str], Optional[int], Optional[int], Optional[str]]:
    return error.kind, error.call, error.device, error.code, error.name


def suspend(pid: int) -> None:
    process: checkpoint.Process = checkpoint.Process(pid)
    found: Union[checkpoint.Process, checkpoint.Locked, checkpoint.Checkpointed]
    uuid = str(cpc.devices()[0].uuid)
    try:
        with process.lock(timeout=10.0) as locked:
            with locked.checkpoint(room=checkpoint.TRUSTED) as suspended:
                suspended.restore(room=[checkpoint.DeviceRoom(uuid, needed=1, free=2)])
    except cpc.CheckpointError as error:
        state: Optional[str] = error.state
        assert state is None or error.pid == pid
        for found in error.found:
            print(found.pid, found.state())
    found = process.take_up()
    if isinstance(found, checkpoint.Process):
        found.lock(timeout=None).unlock()
    with checkpoint.suspend([pid], timeout=10) as group:
        reports: Tuple[checkpoint.ProcessReport, ...] = group.reports
        steps: List[Tuple[str, bool, float, Optional[cpc.Error]]] = [
            (step.step, step.undoing, step.milliseconds, step.error)
            for report in reports
            for step in report.steps
        ]
        assert steps and group.pids == (pid,)
        group.resume(room=checkpoint.TRUSTED, gpu_map=None, every_gpu=None)
    files: List[Optional[Tuple[cpc.DeviceFile, ...]]] = [
        each.device_files for each in checkpoint.tree(pid)
    ]
    assert files


def what_a_child_should_know() -> Tuple[bool, int]:
    files = [(file.descriptor, file.path) for file in cpc.device_files()]
    assert files == [(file.descriptor, file.path) for file in cpc.device_files(os.getpid())]
    return cpc.forked_after_init(), cpc.unreleased()


def ask_nvml(pid: int) -> Union[Dict[str, int], cpc.NvmlError]:
    try:
        return checkpoint.memory_of(pid)
    except cpc.NvmlError as error:
        return error


def main() -> None:
    print(whoever_holds())
    print(tell(keep(1)))
    print(held(keep(1)))
    print(tell(cpc.release_strays(keep=["0000:01:00.0"])))
    try:
        cpc.retain_only(99)
    except cpc.NoSuchDeviceError as error:
        print(why(error))
    suspend(os.getpid())
    print(what_a_child_should_know(), ask_nvml(os.getpid()))


if __name__ == "__main__":
    main()
