"""What the type checkers must refuse: each line has a mistake that they must report."""

import cuda_primary_context as cpc
from cuda_primary_context import checkpoint

cpc.retain_only(1.0)  # type: ignore[arg-type]
cpc.retain_only(None)  # type: ignore[arg-type]
cpc.retain_only(1, [2])  # type: ignore[call-arg]
cpc.retain_only(1, keep=2)  # type: ignore[arg-type]
cpc.release_strays([1])  # type: ignore[call-arg]
cpc.plan(1).devices[0].outcome  # type: ignore[attr-defined]
cpc.driver().version = 3  # type: ignore[misc]
cpc.contexts()[0].flags + 1  # type: ignore[operator]
checkpoint.Process(1).checkpoint()  # type: ignore[attr-defined]
checkpoint.Process(1).lock()  # type: ignore[call-arg]
checkpoint.Process(1).lock(timeout=1).checkpoint().restore()  # type: ignore[call-arg]
checkpoint.Process(1).lock(timeout=1).checkpoint(room="enough")  # type: ignore[arg-type]
checkpoint.DeviceRoom("GPU-1", needed=1)  # type: ignore[call-arg]

report = cpc.release_strays(keep=["cuda:1"])
assert report.devices[0].outcome != "relased"  # type: ignore[comparison-overlap]
assert report.current_context.change != "swiched"  # type: ignore[comparison-overlap]
assert cpc.plan(1).devices[0].planned != "released"  # type: ignore[comparison-overlap]
assert checkpoint.suspend([1], timeout=1).reports[0].steps[0].step != "locked"  # type: ignore[comparison-overlap]
