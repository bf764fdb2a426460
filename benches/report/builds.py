"""Clean builds of an empty program that depends on the crate, and of one that depends on a peer."""

import os
import pathlib
import resource
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

DEPENDENCIES = {
    "cuda-primary-context": f'{{ path = "{ROOT}", default-features = false }}',
    "cudarc": '{ version = "0.19", default-features = false, features = '
    '["std", "driver", "dynamic-loading", "cuda-13000"] }',
}
ROUNDS = 2


def measure():
    """Seconds, the least of a few: by the clock, and of processor time, which others disturb less."""
    answer = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, dependency in DEPENDENCIES.items():
            package = pathlib.Path(folder, name)
            (package / "src").mkdir(parents=True)
            (package / "src/main.rs").write_text("fn main() {}\n")
            (package / "Cargo.toml").write_text(
                "[workspace]\n[package]\nname = 'empty'\nversion = '0.0.0'\nedition = '2024'\n"
                f"[dependencies]\n{name} = {dependency}\n"
            )
            subprocess.run(["cargo", "fetch", "--quiet"], cwd=package, check=True)
        for turn in range(ROUNDS):
            for name in DEPENDENCIES:
                target = pathlib.Path(folder, f"target-{name}-{turn}")
                numbers = build(pathlib.Path(folder, name), target)
                before = answer.get(name, numbers)
                answer[name] = {key: min(before[key], numbers[key]) for key in numbers}
    print("  ".join(f"{name} {of['processor_s']} s" for name, of in answer.items()))
    return answer


def build(package, target):
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = ["cargo", "build", "--quiet", "--offline"]
    subprocess.run(command, cwd=package, env=environment, check=True)
    took, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"clock_s": round(took, 1), "processor_s": round(processor, 1)}
