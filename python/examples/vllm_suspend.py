"""Suspends a running vLLM engine and resumes it, with the same tokens before and after.

    python vllm_suspend.py [--model NAME] [--tensor-parallel N] [--stray]

Needs Linux, a driver of CUDA 12.8 or newer, N GPUs, vLLM, and host memory for what the workers have on their
GPUs. Without --model it makes a small random Llama, which needs no download.

With more than one GPU, the workers must talk over sockets and without vLLM's custom all-reduce: what they share
on the GPUs otherwise does not come back. Measured on two H200s with vLLM 0.26 and its default transports, the
checkpoint succeeds, the restore returns CUDA_ERROR_INVALID_VALUE, and the engine is lost. So this program sets
NCCL_P2P_DISABLE=1 and NCCL_SHM_DISABLE=1 before vLLM starts, disables the custom all-reduce, and refuses to
suspend workers if it does not know that they run so. --unsafe-transport suspends them all the same.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, Mapping

from cuda_primary_context import NvmlError, checkpoint
from cuda_primary_context.vllm import WorkerExtension

SAFE_TRANSPORT = {"NCCL_P2P_DISABLE": "1", "NCCL_SHM_DISABLE": "1"}
#: Without multicast objects (NVLS), in which a checkpoint was reported to hang, and without downloads.
ENVIRONMENT = {
    "NCCL_NVLS_ENABLE": "0",
    "TORCH_SYMM_MEM_DISABLE_MULTICAST": "1",
    "VLLM_ALLREDUCE_USE_FLASHINFER": "0",
    "VLLM_ALLREDUCE_USE_SYMM_MEM": "0",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_USE_FLASHINFER_SAMPLER": "0",
    "VLLM_USE_NCCL_SYMM_MEM": "0",
}
PROMPTS = [[1, 5, 9, 13], [2, 6, 10]]


class Extension(WorkerExtension):
    """What each vLLM worker can do besides (``worker_extension_cls``); it runs in the worker."""

    def describe(self) -> dict[str, Any]:
        transport = {name: os.environ.get(name) for name in SAFE_TRANSPORT}
        return {**self.contexts(), "transport": transport}

    def plant_stray(self) -> None:
        """In a thread that selects no device, as a connector or a watchdog does."""
        import torch

        thread = threading.Thread(target=lambda: torch.zeros(1, device="cuda"))
        thread.start()
        thread.join()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="a model that vLLM can load [default: a small random Llama]")
    parser.add_argument("--tensor-parallel", type=int, default=2, metavar="N", help="GPUs [default: 2]")
    parser.add_argument("--stray", action="store_true", help="plant a stray, suspend, release it, suspend")
    parser.add_argument(
        "--unsafe-transport",
        action="store_true",
        help="leave vLLM's transports as they are, and suspend all the same: the engine may be lost",
    )
    parsed = parser.parse_args()
    if parsed.stray and parsed.tensor_parallel < 2:
        parser.error("--stray needs a second GPU: --tensor-parallel 2")
    return parsed


def why_unsafe(workers: list[Mapping[str, Any]], custom_all_reduce: bool) -> str | None:
    """Why the restore would lose the workers, as far as is known; None if it was seen to work."""
    if len(workers) < 2:
        return None
    if custom_all_reduce:
        return "vLLM's custom all-reduce shares GPU memory between the workers (disable_custom_all_reduce)"
    for worker in workers:
        for name, value in SAFE_TRANSPORT.items():
            if worker["transport"].get(name) != value:
                return f"worker {worker['pid']} was not started with {name}={value}: NCCL may share GPU memory"
    return None


def ordinals(worker: Mapping[str, Any]) -> list[int]:
    return [context["ordinal"] for context in worker["contexts"]]


def small_model(folder: Path) -> str:
    """A random Llama that needs no tokenizer and no weights."""
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": 512,
        "intermediate_size": 1024,
        "num_hidden_layers": 2,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 64,
        "vocab_size": 2048,
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "torch_dtype": "bfloat16",
    }
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


def start(arguments: argparse.Namespace, folder: Path) -> Any:
    """The engine. The environment of this process is prepared by then, and the workers inherit it."""
    from vllm import LLM

    options: dict[str, Any] = {"model": arguments.model}
    if arguments.model is None:
        options = {"model": small_model(folder), "skip_tokenizer_init": True, "load_format": "dummy"}
    return LLM(
        **options,
        dtype="bfloat16",
        tensor_parallel_size=arguments.tensor_parallel,
        enforce_eager=True,
        max_model_len=512,
        max_num_seqs=4,
        gpu_memory_utilization=0.1,
        generation_config="vllm",
        disable_custom_all_reduce=not arguments.unsafe_transport,
        worker_extension_cls=f"{Path(__file__).stem}.Extension",
    )


def generate(engine: Any) -> list[list[int]]:
    from vllm import SamplingParams

    parameters = SamplingParams(max_tokens=8, temperature=0, ignore_eos=True, detokenize=False)
    outputs = engine.generate([{"prompt_token_ids": prompt} for prompt in PROMPTS], parameters)
    return [list(output.outputs[0].token_ids) for output in outputs]


def gpu_memory() -> str:
    query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader"]
    return ", ".join(subprocess.run(query, text=True, capture_output=True).stdout.split("\n")[:-1])


def cycle(engine: Any, pids: list[int], what: str, tokens: list[list[int]]) -> None:
    room: Counter[str] = Counter()
    try:
        for pid in pids:
            room.update(checkpoint.memory_of(pid))
    except NvmlError as error:
        print(f"The room is not checked: {error}")
        room.clear()

    def hear(pid: int, step: checkpoint.StepReport) -> None:
        print(f"  worker {pid}: {step.step}, {step.milliseconds / 1e3:.1f} s", flush=True)

    began = time.monotonic()
    with checkpoint.suspend(pids, timeout=20, on_step=hear) as group:
        suspended = time.monotonic()
        print(f"GPU memory in use while suspended: {gpu_memory()}")
        resuming = time.monotonic()
        group.resume(room=room or checkpoint.TRUSTED, on_step=hear)
    resumed = time.monotonic()
    same = generate(engine) == tokens
    print(
        f"{what}: suspended in {suspended - began:.1f} s, resumed in {resumed - resuming:.1f} s, "
        f"{'the same tokens' if same else 'OTHER TOKENS'}",
        flush=True,
    )
    if not same:
        raise SystemExit(1)


def main() -> None:
    arguments = parse()
    os.environ.update(ENVIRONMENT)
    if arguments.model is None:
        os.environ.update({"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"})
    if arguments.tensor_parallel > 1 and not arguments.unsafe_transport:
        os.environ.update(SAFE_TRANSPORT)
    # The workers import this file by its name.
    here = str(Path(__file__).resolve().parent)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryDirectory() as folder:
        engine = start(arguments, Path(folder) / "model")
        tokens = generate(engine)
        workers = engine.collective_rpc("describe")
        for worker in workers:
            print(f"worker {worker['pid']} has device {worker['device']}, contexts on {ordinals(worker)}")
        reason = why_unsafe(workers, custom_all_reduce=arguments.unsafe_transport)
        if reason:
            print(f"The workers may not come back: {reason}.", file=sys.stderr)
            if not arguments.unsafe_transport:
                raise SystemExit("Nothing was suspended. --unsafe-transport suspends them all the same.")
        pids = [worker["pid"] for worker in workers]
        cycle(engine, pids, "without strays", tokens)
        if arguments.stray:
            engine.collective_rpc("plant_stray")
            print("contexts:", [ordinals(worker) for worker in engine.collective_rpc("contexts")])
            cycle(engine, pids, "with a stray", tokens)
            for report in engine.collective_rpc("release_strays"):
                print(report["summary"])
            cycle(engine, pids, "stray released", tokens)


if __name__ == "__main__":
    main()
