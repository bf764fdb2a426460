"""The benchmarks of benches/, by Criterion."""

import json
import pathlib
import subprocess
import tempfile


def measure(built, driver):
    """Nanoseconds by benchmark: the median, with its confidence interval of 95 %."""
    with tempfile.TemporaryDirectory() as folder:
        environment = built.environment("real", CRITERION_HOME=folder)
        environment.pop("CUDA_PRIMARY_CONTEXT_BENCH_DRIVER", None)
        if driver != "simulated":
            environment["CUDA_PRIMARY_CONTEXT_BENCH_DRIVER"] = driver
        command = [built.driver_calls, "--bench", "--noplot", "--quiet"]
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
        answer = {}
        for place in sorted(pathlib.Path(folder).rglob("new/benchmark.json")):
            median = json.loads(place.with_name("estimates.json").read_text())["median"]
            interval = median["confidence_interval"]
            answer[json.loads(place.read_text())["full_id"]] = {
                "median_ns": round(median["point_estimate"], 2),
                "from_ns": round(interval["lower_bound"], 2),
                "to_ns": round(interval["upper_bound"], 2),
            }
    return answer
