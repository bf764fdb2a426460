"""A vLLM engine on two GPUs: alone, traced, and with its threads kept on their device.

    vllm_strays.py CUDA_CONTEXTS [RESULTS]    CUDA_CONTEXTS: the command; RESULTS: a folder for the reports

Each time a thread without a selected device is started in worker 1. Prints how long the start takes, whether
the tokens are the same before, with and after the planted thread, and the contexts of each worker; of the traced
engine also the lines of the report that name the planted thread. Needs vLLM, the package cuda_primary_context
and two GPUs; the model is a small random Llama.
"""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
EXAMPLE = HERE.parent / "python/examples"

try:
    from cuda_primary_context.vllm import WorkerExtension
except ImportError:
    WorkerExtension = object


class Extension(WorkerExtension):
    """The package's extension, and a stray to look for."""

    def plant(self):
        import torch

        if self.rank == 1:
            thread = threading.Thread(target=planted_thread, args=(torch,), name="planted")
            thread.start()
            thread.join()
        return self.contexts()


def planted_thread(torch):
    torch.zeros(1, device="cuda")


def engine():
    """Runs in a process of its own, which the command traces."""
    sys.path.insert(0, str(EXAMPLE))
    import vllm_suspend

    os.environ.update(vllm_suspend.ENVIRONMENT, HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    vllm_suspend.Extension = Extension
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        from vllm import LLM

        model = vllm_suspend.small_model(pathlib.Path(folder) / "model")
        llm = LLM(
            model=model, skip_tokenizer_init=True, load_format="dummy", dtype="bfloat16", tensor_parallel_size=2,
            enforce_eager=True, max_model_len=512, max_num_seqs=4, gpu_memory_utilization=0.1,
            generation_config="vllm", worker_extension_cls="vllm_strays.Extension",
        )
        started = time.monotonic() - began
        tokens = vllm_suspend.generate(llm)
        contexts = lambda found: {each["rank"]: [one["ordinal"] for one in each["contexts"]] for each in found}
        result = {"start": round(started, 1), "tokens": tokens, "before": contexts(llm.collective_rpc("contexts"))}
        result["planted"] = contexts(llm.collective_rpc("plant"))
        result["same with it"] = vllm_suspend.generate(llm) == tokens
        result["holders"] = llm.collective_rpc("holders")[1]
        began = time.monotonic()
        reports = llm.collective_rpc("release_strays")
        result["release ms"] = round((time.monotonic() - began) * 1e3)
        result["released"] = [report["summary"] for report in reports]
        result["after"] = contexts(llm.collective_rpc("contexts"))
        result["same after"] = vllm_suspend.generate(llm) == tokens
    print("RESULT " + json.dumps(result), flush=True)


def run(name, prefix, results):
    command = [*prefix, sys.executable, __file__, "--engine"]
    path = results / f"{name}.log"
    # A file, not a pipe: a worker that outlives the engine would keep a pipe open.
    with open(path, "w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        status = process.wait(170)
    except subprocess.TimeoutExpired:
        status = "none after 170 s"
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    found = [line for line in path.read_text().splitlines() if line.startswith("RESULT ")]
    print(f"{name}: status {status}", flush=True)
    if not found:
        print(path.read_text()[-600:])
        return None
    result = json.loads(found[-1].removeprefix("RESULT "))
    tokens = result.pop("tokens")
    for key, value in result.items():
        print(f"    {key}: {json.dumps(value)}")
    return tokens


def main():
    if len(sys.argv) > 1 and sys.argv[1] == "--engine":
        return engine()
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    command = sys.argv[1]
    results = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else "results").resolve()
    results.mkdir(parents=True, exist_ok=True)
    report = results / "vllm-report.txt"
    trace = [command, "trace", "--only", "one", "-o", str(report), "--"]
    tokens = [run("alone", [], results), run("traced", trace, results), run("kept", [command, "run", "--"], results)]
    if report.exists():
        lines = report.read_text().splitlines()
        print(f"report: {len(lines)} lines; {lines[0] if lines else 'empty'}")
        for line in lines:
            if "planted" in line or "STRAY" in line:
                print(f"    {line}")
    same = None not in tokens and tokens[0] == tokens[1] == tokens[2]
    print("tokens:", "the same in all three" if same else "DIFFERENT")
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
