"""Runs the README's recipes for many nodes on clusters of one machine: ps_recipes.py COMMAND

A stand-in for NVML lists this process on two GPUs. Each worker of dask and each node of Ray must print its lines.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile


def ps():
    return subprocess.run([os.environ["CUDA_CONTEXTS"], "ps", "--json"], capture_output=True, text=True).stdout


def by_dask():
    from distributed import Client, LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        return list(client.run(ps).values())


def by_ray():
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    def on(node):
        return NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)

    ray.init(num_cpus=1, include_dashboard=False)
    nodes = ray.nodes()
    found = ray.get([ray.remote(num_cpus=0)(ps).options(scheduling_strategy=on(node)).remote() for node in nodes])
    ray.shutdown()
    return found


def main():
    source = pathlib.Path(__file__).resolve().parent.parent / "ps/nvml.c"
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["cc", "-shared", "-fPIC", "-o", f"{folder}/libnvidia-ml.so.1", source], check=True)
        contexts = pathlib.Path(folder, "contexts")
        contexts.write_text(f"2\n0 {os.getpid()} 518 -1\n1 {os.getpid()} 1542 -1\n")
        os.environ.update(CUDA_CONTEXTS=os.path.abspath(sys.argv[1]), LD_LIBRARY_PATH=folder, NVML_STAND_IN=str(contexts))
        for recipe in by_dask, by_ray:
            for output in recipe():
                events = [json.loads(line) for line in output.splitlines()]
                verdicts = [event["verdict"] for event in events if event.get("pid") == os.getpid()]
                print(f"{recipe.__name__}: {verdicts}")
                assert verdicts == ["probably_stray", "main"], output


if __name__ == "__main__":
    main()
