"""The programs that measure, built, and the environment in which they find a driver."""

import json
import os
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def cargo(*options, **environment):
    """The executables of a build with these options."""
    process = subprocess.run(
        ["cargo", *options, "--message-format=json-render-diagnostics"],
        env={"CARGO_TARGET_DIR": str(ROOT / "target"), **os.environ, **environment},
        stdout=subprocess.PIPE,
        check=True,
    )
    messages = map(json.loads, process.stdout.splitlines())
    return [message["executable"] for message in messages if message.get("executable")]


# Where the linker puts a loop is not to be measured: in every contender loops begin at 32 bytes.
ALIGNED = "-C llvm-args=-align-all-nofallthru-blocks=5"


class Programs:
    def __init__(self, driver_calls, peers, commit=None):
        self.driver_calls, self.peers, self.commit = str(driver_calls), str(peers), commit
        self.folder = tempfile.TemporaryDirectory(prefix="simulated-driver-")
        self.names = self.run("names", driver="real").splitlines()

    def has_nvidias_crate(self):
        return "cuda-bindings" in self.names

    def environment(self, driver, devices=1, **more):
        """In which a program meets this driver; the simulated one with this many devices."""
        environment = {**os.environ, **more}
        if driver == "simulated":
            self.write_simulator()
            environment["LD_LIBRARY_PATH"] = self.folder.name
            environment["SIMULATED_CUDA_DEVICES"] = str(devices)
            environment.pop("CUDA_VISIBLE_DEVICES", None)
        elif driver != "real":
            environment["LD_LIBRARY_PATH"] = str(pathlib.Path(driver).resolve().parent)
        return environment

    def write_simulator(self):
        if not pathlib.Path(self.folder.name, "libcuda.so").exists():
            subprocess.run([self.peers, "simulator", self.folder.name], check=True)

    def run(self, *arguments, driver, devices=1, **more):
        """What `peers` prints."""
        environment = self.environment(driver, devices, **more)
        command = [self.peers, *arguments]
        process = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
        return process.stdout.decode()


def build(prebuilt, toolkit):
    if prebuilt:
        folder = prebuilt.resolve()
        version = folder / "version"
        commit = version.read_text().strip() if version.exists() else "unknown"
        return Programs(folder / "driver_calls", folder / "peers", commit)
    bench = ["bench", "--no-default-features", "--bench", "driver_calls", "--no-run"]
    (driver_calls,) = cargo(*bench, "--manifest-path", str(ROOT / "Cargo.toml"))
    peers = ["build", "--release", "--manifest-path", str(ROOT / "benches/peers/Cargo.toml")]
    aligned = {"RUSTFLAGS": ALIGNED, "CARGO_TARGET_DIR": str(ROOT / "target/contenders")}
    if toolkit:
        peers += ["--features", "cuda-bindings"]
        (program,) = cargo(*peers, CUDA_TOOLKIT_PATH=str(pathlib.Path(toolkit).resolve()), **aligned)
    else:
        print("NVIDIA's crate cuda-bindings: skipped, for there is no --toolkit")
        (program,) = cargo(*peers, **aligned)
    return Programs(driver_calls, program)
