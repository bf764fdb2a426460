"""The facts about machine and driver for the first line, found in a process of their own."""

from .cells import cell
from .nvml import Nvml


@cell("header", "header", hidden=True)
def facts(run):
    found = {}
    try:
        nvml = Nvml()
        found["gpu"] = nvml.text("nvmlDeviceGetName", nvml.device)
        found["driver"] = nvml.text("nvmlSystemGetDriverVersion")
        found["gpus"] = nvml.device_count()
        found["persistence_mode"] = nvml.number("nvmlDeviceGetPersistenceMode")
        found["compute_mode"] = nvml.number("nvmlDeviceGetComputeMode")
        found["used_mib"] = nvml.settled_mib()
    except (OSError, AttributeError) as error:
        found["nvml"] = f"incomplete: {error}"
    run.note(**found)
    run.note(cuda_driver_api=run.driver.cuDriverGetVersion()["version"])
