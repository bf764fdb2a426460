"""What the project aims at, and whether a record shows it."""

OURS = "cuda-primary-context"
LOCKED = "raw under a lock"


# What has no target is there to be compared with.
VERDICTS = {True: "yes", False: "**no**", None: ""}


def over_lock(numbers):
    return numbers[OURS]["median_ns"] / numbers[LOCKED]["median_ns"]


def table(record):
    rows = [
        f"| {words} | {aim} | {found} | {VERDICTS[met]} |"
        for words, aim, found, met in checks(record)
    ]
    if not rows:
        return ""
    return "\n".join(
        ["### Targets\n", "| | target | found | met |", "| --- | ---: | ---: | --- |", *rows, ""]
    )


def checks(record):
    """Each target with what was found, where the record has it."""
    contenders = record.get("contenders") or {}
    for devices, aim in ((8, 1.03), (64, 1.02)):
        if str(devices) in contenders:
            found = contenders[str(devices)]["none_stale"][OURS]["over_raw"]
            words = f"retain_only and Drop over the raw loop, {devices} devices"
            yield words, f"≤ {aim}", f"{found:.2f}", found <= aim
            found = over_lock(contenders[str(devices)]["none_stale"])
            yield "the same over the raw loop under a lock", "", f"{found:.2f}", None
    if "8" in contenders:
        yield from at_eight_devices(contenders["8"])
    if "8" in contenders and "1024" in contenders:
        per_device = [contenders[str(n)]["none_stale"][OURS]["median_ns"] / n for n in (8, 1024)]
        found = per_device[1] / per_device[0]
        words = "one device's cost, 1024 devices over 8"
        yield words, "≤ 1.1", f"{found:.2f}", found <= 1.1
    first_use = record.get("first_use")
    if first_use:
        found = first_use[OURS]["median_ns"] / first_use["cudarc"]["median_ns"]
        yield "first use over cudarc's", "≤ 0.5", f"{found:.2f}", found <= 0.5
    builds = record.get("builds")
    if builds:
        found = builds[OURS]["processor_s"] / builds["cudarc"]["processor_s"]
        yield "clean build over cudarc's", "≤ 1", f"{found:.2f}", found <= 1


def at_eight_devices(contenders):
    found = contenders["primary_context"][OURS]["over_raw"]
    yield "PrimaryContext retain and release over raw", "≤ 1.05", f"{found:.2f}", found <= 1.05
    found = over_lock(contenders["primary_context"])
    yield "the same over raw calls under a lock", "", f"{found:.2f}", None
    numbers = contenders["none_stale"]
    ours = numbers[OURS]["median_ns"]
    for name in numbers:
        if name in ("raw", LOCKED, OURS):
            continue
        found = numbers[name]["median_ns"] / ours
        aim = 50 if name == "ctypes" else 1
        yield f"{name} over the crate, 8 devices", f"≥ {aim}", f"{found:.2f}", found >= aim
