"""The table and the plots of the newest record."""

import json

from . import svg, targets

OURS = "cuda-primary-context"
WAITS = ["idle_p99_ns", "busy_p99_ns", "idle_longest_ns", "busy_longest_ns"]
STATES = {
    "no_stray": "none stray",
    "one_stray": "one stray",
    "all_stray": "all stray",
    "primary_context": "retain and release",
}


def newest(folder, simulated):
    records = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    records = [record for record in records if (record["driver"] == "simulated") == simulated]
    # One with everything before a newer one that was made where something was missing.
    complete = [record for record in records if record.get("instructions")]
    return max(complete or records, key=lambda record: record["date"], default=None)


def write(folder):
    parts = ["# Benchmarks\n"]
    for simulated in (True, False):
        if record := newest(folder, simulated):
            parts += page(folder, record)
    (folder / "README.md").write_text("\n".join(filter(None, parts)).rstrip() + "\n")
    print(folder / "README.md")


def page(folder, record):
    """What one record says; plots are of numbers of devices, which a real machine has one of."""
    parts = [heading(record), targets.table(record)]
    contenders = record.get("contenders")
    if contenders:
        counts = sorted(int(count) for count in contenders if count.isdigit())
        parts += [release_path(contenders, counts)]
        if len(counts) > 1:
            plots(folder, contenders, counts)
            parts += ["![cost against number of devices](devices.svg)\n"]
            parts += ["![cost of a device](per-device.svg)\n"]
            parts += ["![over the raw loop](over-raw.svg)\n"]
    parts += [waits(record), first_use(record), builds(record), instructions(folder, record)]
    return [*parts, criterion(record), memory(record)]


def heading(record):
    machine, versions = record["machine"], record["versions"]
    used = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    gpus = f"; {', '.join(machine['gpus'])}" if machine["gpus"] else ""
    driver = {"simulated": "the simulated one, whose calls are almost free"}
    title = "On the simulated driver" if record["driver"] == "simulated" else "On a real driver"
    return (
        f"## {title}\n\nMade by `{record['command']}` on {record['date']}. Driver: "
        f"{driver.get(record['driver'], record['driver'])}. Machine: {machine['processor']}, "
        f"{machine['cores']} cores, load {machine['load']:.1f}{gpus}. Versions: {used}.\n"
    )


def nanoseconds(value):
    if value >= 1e6:
        return f"{value / 1e6:.1f} ms"
    return f"{value / 1e3:.1f} µs" if value >= 10e3 else f"{value:.0f} ns"


def row(cells):
    return f"| {' | '.join(cells)} |"


def table(head, rows):
    return "\n".join([row(head), row(["---"] + ["---:"] * (len(head) - 1)), *map(row, rows), ""])


def release_path(contenders, counts):
    """Medians, with the ratio to the raw loop."""
    parts = ["### The release path\n"]
    parts += ["`retain_only` and the guard's Drop, beside the same driver calls through plain"]
    parts += ["function pointers and through others' bindings. Median time, and the median of the"]
    parts += ["ratios to the raw loop in the same round.\n"]
    columns = [count for count in counts if count in (1, 8, 64, 1024)] or counts
    for state, words in STATES.items():
        present = [count for count in columns if state in contenders[str(count)]]
        if not present:
            continue
        names = contenders[str(present[0])][state]
        rows = []
        for name in names:
            cells = [name if name != OURS else f"**{name}**"]
            for count in present:
                of = contenders[str(count)][state][name]
                cells.append(f"{nanoseconds(of['median_ns'])} ({of['over_raw']:.2f})")
            rows.append(cells)
        head = [words, *(f"{count} device{'s' * (count > 1)}" for count in present)]
        parts.append(table(head, rows))
    return "\n".join(parts)


def plots(folder, contenders, counts):
    state = "no_stray"
    names = list(contenders[str(counts[0])][state])

    def series(value):
        return {
            name: [(count, value(count, contenders[str(count)][state][name])) for count in counts]
            for name in names
        }

    medians = series(lambda _, of: of["median_ns"])
    title = "retain_only and Drop, none stray, simulated driver"
    (folder / "devices.svg").write_text(
        svg.lines(title, "devices", "nanoseconds", medians)
    )
    per_device = series(lambda count, of: of["median_ns"] / count)
    (folder / "per-device.svg").write_text(
        svg.lines("The same, for one device", "devices", "nanoseconds per device", per_device)
    )
    ratios = series(lambda _, of: of["over_raw"])
    compiled = {name: points for name, points in ratios.items() if points[-1][1] < 5}
    (folder / "over-raw.svg").write_text(
        svg.lines("Over the raw loop", "devices", "times the raw loop", compiled, False)
    )


def waits(record):
    numbers = record.get("waits")
    if not numbers:
        return ""
    rows = [
        [f"a {device} device", *(nanoseconds(numbers[device][key]) for key in WAITS)]
        for device in ("kept", "held")
    ]
    words = (
        f"A retain with its release on one thread, while `retain_only` on another, which takes "
        f"{nanoseconds(numbers['retain_only_ns'])}, releases {numbers['stray']} contexts whose "
        "teardown takes 54 ms each; idle is the same beside a thread that sleeps. The longest are "
        "the scheduler's."
    )
    head = ["", "p99, idle", "p99, meanwhile", "longest, idle", "longest, meanwhile"]
    return f"### Retains meanwhile\n\n{words}\n\n" + table(head, rows)


def first_use(record):
    if not record.get("first_use"):
        return ""
    rows = [
        [name, nanoseconds(of["median_ns"]), nanoseconds(of["least_ns"])]
        for name, of in record["first_use"].items()
    ]
    words = "From nothing to the first answer about a device, each time in a new process."
    return f"### First use\n\n{words}\n\n" + table(["", "median", "least"], rows)


def builds(record):
    if not record.get("builds"):
        return ""
    rows = [
        [name, f"{of['processor_s']} s", f"{of['clock_s']} s"]
        for name, of in record["builds"].items()
    ]
    words = "Clean build of an empty program with this one dependency (the crate without `bindgen`)."
    return f"### Builds\n\n{words}\n\n" + table(["", "processor time", "clock"], rows)


def instructions(folder, record):
    counted = record.get("instructions")
    if not counted:
        return ""
    shown = {name: of["added"] for name, of in counted.items() if "/1024" not in name}
    title = "Instructions that the safe layer adds"
    (folder / "instructions.svg").write_text(svg.bars(title, shown))
    keys = ("raw", "counted", "safe", "added")
    rows = [[name, *(f"{of.get(key, '')}" for key in keys)] for name, of in counted.items()]
    return (
        "### Instructions\n\nOf the whole process, the simulated driver's among them, for one "
        "operation; these repeat exactly.\n\n![instructions](instructions.svg)\n\n"
        + table(["", "raw", "raw with a count", "safe", "added"], rows)
    )


def criterion(record):
    if not record.get("criterion"):
        return ""
    rows = [
        [name, nanoseconds_exactly(of["median_ns"]), nanoseconds_exactly(of["to_ns"] - of["from_ns"])]
        for name, of in record["criterion"].items()
    ]
    words = (
        "Medians by Criterion, with the width of their confidence intervals (95 %). One was measured after "
        "another: where the machine's speed changed in between, they do not compare as those above do."
    )
    return f"### Criterion\n\n{words}\n\n" + table(["", "median", "± "], rows)


def nanoseconds_exactly(value):
    return f"{value:.1f} ns" if value < 10e3 else nanoseconds(value)


def memory(record):
    numbers = record.get("memory")
    if not numbers:
        return ""
    rows = [[key.replace("_", " "), f"{value}"] for key, value in numbers.items()]
    return "### Memory given back\n\nBy device, as nvidia-smi tells it.\n\n" + table(["", ""], rows)
