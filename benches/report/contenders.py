"""The same work by every way to the driver, in turn and on the same driver."""

import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

DEVICES = [1, 2, 4, 8, 16, 64, 1024]
PYTHON = pathlib.Path(__file__).with_name("python_contenders.py")
QUICK_DEVICES = [8, 64, 1024]
FIRST_USES = 25
WAITS_ROUNDS = 5
# A call that no contender makes in its loop.
MARK = "cuDriverGetVersion"


def measure(built, chosen):
    """The release path by number of devices, state, and contender."""
    simulated = chosen.driver == "simulated"
    pythons = {"ctypes": (sys.executable, "ctypes")}
    if has_package(chosen.peers_python):
        pythons["cuda-bindings (Python)"] = (chosen.peers_python, "cuda-bindings")
    else:
        print("Python's cuda-bindings: skipped, for --peers-python has no such package")
    answer = {"calls": same_calls(built)} if simulated else {}
    counts = QUICK_DEVICES if chosen.quick else DEVICES
    for devices in counts if simulated else [1]:
        rounds = chosen.rounds if devices < 1024 else max(3, chosen.rounds // 4)
        measured = json.loads(
            built.run("measure", str(rounds), driver=chosen.driver, devices=devices)
        )
        environment = built.environment(chosen.driver, devices)
        for name, (interpreter, contender) in pythons.items():
            command = [interpreter, PYTHON, contender, str(max(3, rounds // 4))]
            process = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
            of_python = json.loads(process.stdout)
            for state, numbers in of_python.items():
                if state != "devices":
                    raw = measured[state]["raw"]["median_ns"]
                    over_raw = round(numbers["median_ns"] / raw, 3)
                    measured[state][name] = {**numbers, "over_raw": over_raw}
        answer[str(measured.pop("devices"))] = measured
        for state, numbers in measured.items():
            ratios = "  ".join(f"{name} {of['over_raw']:.2f}" for name, of in numbers.items())
            print(f"{devices:5} {state:16} {ratios}", flush=True)
    return answer


def has_package(interpreter):
    command = [interpreter, "-c", "import cuda.bindings.driver"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def same_calls(built):
    """The driver calls of the release path on 8 devices, which have to be the same for all."""
    calls = {}
    for name in built.names:
        with tempfile.TemporaryDirectory() as folder:
            log = pathlib.Path(folder, "calls")
            built.run(
                "calls", name, driver="simulated", devices=8, SIMULATED_CUDA_LOG=str(log)
            )
            lines = [json.loads(line) for line in log.read_text().splitlines()]
        marks = [place for place, line in enumerate(lines) if line["function"] == MARK][-2:]
        between = lines[marks[0] + 1 : marks[1]]
        calls[name] = [f"{line['function']}@{line['device']}" for line in between]
        if calls[name] != calls["raw"]:
            sys.exit(f"{name} calls {calls[name]}, and the raw loop {calls['raw']}")
    return {name: len(of_one) for name, of_one in calls.items()}


def first_use(built, chosen):
    """From nothing to the first answer about a device, a new process for each."""
    devices = 8
    samples = {name: [] for name in built.names if name != "raw with a count"}
    for _ in range(FIRST_USES if chosen.driver == "simulated" else 3):
        for name, times in samples.items():
            times.append(
                int(built.run("first-use", name, driver=chosen.driver, devices=devices))
            )
    answer = {
        name: {"least_ns": min(times), "median_ns": statistics.median(times)}
        for name, times in samples.items()
    }
    print("  ".join(f"{name} {of['median_ns'] / 1000:.0f} µs" for name, of in answer.items()))
    return answer


def waits(built):
    """How long retains wait while others' contexts are torn down, as long as an H200 takes for it."""
    knobs = "release_microseconds=54000"
    answer = json.loads(
        built.run(
            "waits", str(WAITS_ROUNDS), driver="simulated", devices=9, SIMULATED_CUDA_KNOBS=knobs
        )
    )
    for device in ("kept", "held"):
        of = answer[device]
        print(f"{device} device: p99 {of['busy_p99_ns']} ns, idle {of['idle_p99_ns']} ns")
    return answer


def memory(built, driver):
    return json.loads(built.run("memory", driver=driver))
