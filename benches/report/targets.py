"""What the project aims at, and whether a record shows it."""

OURS = "cuda-primary-context"
COUNTED = "raw with a count"

# What has no target is there to be compared with.
VERDICTS = {True: "yes", False: "**no**", None: ""}


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


def at_most(words, found, aim, digits=2):
    return words, f"≤ {aim}", f"{found:.{digits}f}", found <= aim


def over(numbers, other):
    """The crate over another contender: of medians, for both had their turn in each round."""
    return numbers[OURS]["median_ns"] / numbers[other]["median_ns"]


def checks(record):
    """Each target with what was found, where the record has it."""
    contenders = record.get("contenders") or {}
    if record["driver"] == "simulated":
        for devices in (8, 64, 1024):
            if str(devices) in contenders:
                yield from over_twins(contenders[str(devices)], devices)
    if "8" in contenders:
        yield from python(contenders["8"]["no_stray"])
    yield from waits(record.get("waits"))
    yield from instructions(record.get("instructions"))
    first_use = record.get("first_use")
    if first_use:
        found = first_use[OURS]["median_ns"] / first_use["cudarc"]["median_ns"]
        yield "first use over cudarc's", "", f"{found:.2f}", None
    builds = record.get("builds")
    if builds:
        found = builds[OURS]["processor_s"] / builds["cudarc"]["processor_s"]
        yield "clean build over cudarc's", "", f"{found:.2f}", None


def over_twins(numbers, devices):
    if COUNTED not in numbers["no_stray"]:
        return  # a record from before there was this twin
    twin = "the raw loop with a count"
    if devices == 8:
        found = over(numbers["primary_context"], COUNTED)
        yield at_most(f"retain and release over {twin}", found, 1.2)
    aim = 1.1 if devices == 8 else 1.04
    no_stray = numbers["no_stray"]
    words = f"retain_only and Drop, {devices} devices, none stray, over"
    yield at_most(f"{words} {twin}", over(no_stray, COUNTED), aim)
    if devices == 64:
        yield at_most(f"{words} cudarc's loop", over(no_stray, "cudarc"), 1)
    if devices <= 64:
        found = numbers["all_stray"][OURS]["over_raw"]
        words = f"retain_only and Drop, {devices} devices, all stray, over the raw loop"
        yield at_most(words, found, 1.2)


def python(numbers):
    """What the loop in Python takes over the crate."""
    for name in numbers:
        if name == "ctypes" or name.endswith("(Python)"):
            aim = 50 if name == "ctypes" else 1
            found = numbers[name]["median_ns"] / numbers[OURS]["median_ns"]
            yield f"{name} over the crate, 8 devices", f"≥ {aim}", f"{found:.0f}", found >= aim


def waits(numbers):
    if not numbers:
        return
    for device in ("kept", "held"):
        found = numbers[device]["busy_p99_ns"] / numbers[device]["idle_p99_ns"]
        words = f"retain and release of a {device} device while others are torn down, over idle (p99)"
        yield at_most(words, found, 3)


def instructions(counted):
    if not counted:
        return
    few, many = (counted[f"retain_only/no_stray/{n}"]["added"] for n in (64, 1024))
    yield at_most("instructions that an inactive device adds", (many - few) / 960, 8, 1)
