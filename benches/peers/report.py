"""The results as JSON, as a Markdown table, and as a plot."""

import json
import os
import platform
import subprocess
from itertools import groupby
from pathlib import Path

from install import REPO

# Okabe and Ito's colours, which the colour-blind can tell apart; and no two peers share a shape.
STYLES = {
    "oneDNN": ("#0072B2", "s"),
    "oneDNN nChw16c": ("#56B4E9", "D"),
    "OpenVINO": ("#CC79A7", "^"),
    "torch.compile": ("#E69F00", "p"),
    "torch eager": ("#E69F00", "x"),
    "onnxruntime": ("#009E73", "v"),
    "tract": ("#8C6D31", "<"),
    "burn": ("#8C6D31", ">"),
    "memcpy": ("#777777", "|"),
}
OURS = ["#D55E00", "#A03000", "#6B1F00"]


def write(folder, host, options, cases, about, records, failures):
    folder.mkdir(parents=True, exist_ok=True)
    for record in records:
        if "ns" in record:
            case = next(case for case in cases if case.id == record["case"])
            record["ns_per_element"] = record["ns"] / case.elements if case.id != "call" else record["ns"]
    results = {
        "machine": host,
        "options": options,
        "peers": about,
        "cases": {case.id: vars(case) | {"alpha": case.alpha} for case in cases},
        "records": records,
        "failures": failures,
    }
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    text = markdown(results, cases)
    (folder / "results.md").write_text(text)
    print(text)
    plot(folder, results, cases)


def machine():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = dict((part.strip() for part in line.split(":", 1)) for line in lines if ":" in line)
    flags = cpu.get("flags", "").split()
    version = lambda *command: subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=REPO
    ).stdout.strip()
    return {
        "cpu": f"{cpu.get('model name', platform.machine())}, family {cpu.get('cpu family')}, model {cpu.get('model')}",
        "vectors": [flag for flag in ("avx2", "fma", "avx512f", "avx512vl") if flag in flags],
        "cores": os.cpu_count(),
        "l2": size_of_cache(2),
        "l3": size_of_cache(3),
        "rustc": version("rustc", "--version"),
        "commit": version("git", "describe", "--always", "--dirty"),
    }


def size_of_cache(level):
    for index in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        if (index / "level").read_text().strip() == str(level):
            return (index / "size").read_text().strip()
    return "unknown"


def ours_of(results):
    """The column that all others are compared to: lrn-jit with the widest vectors."""
    timed = {record["peer"] for record in results["records"] if "ns" in record}
    return [name for name in results["peers"] if name.startswith("lrn-jit") and name in timed][-1:]


# Columns of the short table: several peers that are one library in several versions share one, and the fastest counts.
MERGED = {
    "oneDNN": ["oneDNN", "oneDNN Debian", "oneDNN SYCL"],
    "oneDNN nChw16c": ["oneDNN nChw16c", "oneDNN Debian nChw16c", "oneDNN SYCL nChw16c"],
}


def merged(results):
    """The peers' names, those of one column together."""
    columns = {}
    for name in results["peers"]:
        column = next((column for column, names in MERGED.items() if name in names), name)
        columns.setdefault(column, []).append(name)
    return columns


def fastest(by_key, names, case):
    records = [by_key.get((name, case.id), {}) for name in names]
    return min(records, key=lambda record: record.get("ns_per_element", float("inf")))


def cell(results, by_key, names, case):
    record = fastest(by_key, names, case)
    if "absent" in record:
        return "–"
    if "ns" not in record:
        return "**wrong**" if "wrong" in record.get("error", "") else "fails"
    ns = record["ns_per_element"]
    text = ("~" if is_unsteady(record) else "") + (f"{ns:.3f}" if ns < 10 else f"{ns:.1f}" if ns < 100 else f"{ns:.0f}")
    base = [by_key[key]["ns_per_element"] for own in ours_of(results) if "ns" in by_key.get(key := (own, case.id), {})]
    if base and names != ours_of(results):
        ratio = ns / base[0]
        text += f" ({ratio:.2f}×)" if ratio < 9.95 else f" ({ratio:.0f}×)"
    return text + (" ref" if is_reference(record) else "")


def is_unsteady(record):
    """Whether no second turn came near the fastest: the machine was busy, and the true time may be lower still."""
    best = sorted(record["turns"])[:2]
    return best[-1] > 1.1 * best[0]


def is_reference(record):
    """Whether oneDNN or OpenVINO fell back to code that is not meant to be fast."""
    implementation = record.get("implementation", "")
    return implementation.startswith(("ref", "lrn_ref", "simple")) or "Lrn ref" in implementation


def markdown(results, cases):
    by_key = {(record["peer"], record["case"]): record for record in results["records"]}
    names, options, host = list(results["peers"]), results["options"], results["machine"]
    threads = "One thread" if options["threads"] == 1 else f"{options['threads']} threads"
    out = [
        f"{threads}, f32, ns per element, fastest call of {options['rounds']} rounds of {options['seconds']} s each.",
        f"In brackets: the time as a multiple of {', '.join(ours_of(results))}'s; below 1 the other one is faster.",
        "“ref”: by its own name not an optimized implementation. “–”: does not have this layout.",
        "“~”: no second round came within 10 % of the fastest, so the machine was busy.",
        "",
        f"{host['cpu']}; {' '.join(host['vectors'])}; L2 {host['l2']}, L3 {host['l3']}; {host['rustc']}; "
        f"lrn-jit at {host['commit']}.",
    ]
    columns = merged(results)
    out += tables(results, by_key, columns, cases)
    if len(columns) < len(names):
        doubled = ", ".join(
            f"{column} of {' and '.join(members)}" for column, members in columns.items() if members[1:]
        )
        out[1] += f" Of one library's versions the fastest counts: {doubled}."
        out += ["", "## Each version", *tables(results, by_key, {name: [name] for name in names}, cases)]
    out += ["", "## Versions and implementations", ""]
    out += ["| | version | how | result's memory | implementation | largest relative error |", "| --- " * 6 + "|"]
    for name in names:
        records = [record for record in results["records"] if record["peer"] == name and "implementation" in record]
        kinds = {}
        for record in records:
            kinds.setdefault(record["implementation"], []).append(record)
        for implementation, group in kinds.items():
            where = "" if len(kinds) == 1 else ": " + ", ".join(record["case"] for record in group)
            errors = [record["error_max"] for record in group if "error_max" in record]
            error = f"{max(errors):.0e}" if errors else ""
            peer = results["peers"][name]
            once = [name, peer["version"], peer["details"], group[0]["output"]]
            if group[0] is not records[0]:
                once = [""] * len(once)
            out.append("| " + " | ".join([*once, implementation + where, error]) + " |")
    if results["failures"]:
        out += ["", "## What failed", ""] + [f"* {failure}" for failure in results["failures"]]
    return "\n".join(out) + "\n"


def tables(results, by_key, columns, cases):
    """One table for each group of cases. `columns`: header to the peers it holds."""
    out = []
    for group, members in groupby(cases, key=lambda case: case.group):
        out += ["", f"| {group} | {' | '.join(columns)} |", f"| --- |{' ---: |' * len(columns)}"]
        for case in members:
            cells = (cell(results, by_key, names, case) for names in columns.values())
            out.append(f"| {case.name} | {' | '.join(cells)} |")
    return out


def plot(folder, results, cases):
    cases = [case for case in cases if case.id != "call"]
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "peers", "font.family": "DejaVu Sans", "font.size": 9})
    from matplotlib import pyplot

    by_key = {(record["peer"], record["case"]): record for record in results["records"]}
    columns = merged(results)
    rows, labels, place = {}, [], 0.0
    for group, members in groupby(cases, key=lambda case: case.group):
        place += 0.6
        labels.append((place, group, True))
        for case in members:
            place += 1
            rows[case.id] = place
            labels.append((place, case.name, False))
        place += 0.6

    figure, axes = pyplot.subplots(figsize=(9.5, 0.27 * place + 1.5))
    for height in rows.values():
        axes.axhline(height, color="#E6E6E6", linewidth=0.8, zorder=0)
    own = 0
    for name in sorted(columns, key=lambda name: name.startswith("lrn-jit")):
        found = {case.id: fastest(by_key, columns[name], case) for case in cases}
        points = [(found[case]["ns_per_element"], height) for case, height in rows.items() if "ns" in found[case]]
        if not points:
            continue
        if name.startswith("lrn-jit"):
            (color, shape), size = (OURS[own % len(OURS)], "o"), 52
            own += 1
        else:
            (color, shape), size = STYLES.get(name, ("#000000", "*")), 34
        label = name
        if name != "memcpy" and not name.startswith("lrn-jit"):
            versions = [results["peers"][member]["version"].split("+")[0] for member in columns[name]]
            label += f" ({', '.join(versions)})"
        x, y = zip(*points)
        edge = {} if shape in "x|" else {"edgecolors": "white", "linewidths": 0.5}
        axes.scatter(x, y, s=size, color=color, marker=shape, label=label, zorder=3, **edge)
    axes.set_xscale("log")
    axes.set_ylim(place + 0.3, 0.0)
    axes.set_yticks([where for where, _, _ in labels], [text for _, text, _ in labels])
    for tick, (_, _, heading) in zip(axes.get_yticklabels(), labels):
        tick.set_fontweight("bold" if heading else "normal")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", which="major", color="#CCCCCC", linewidth=0.8)
    axes.grid(axis="x", which="minor", color="#F0F0F0", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    # Of the minor ticks only 2 and 5 are named.
    few = lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else ""
    axes.xaxis.set_minor_formatter(matplotlib.ticker.FuncFormatter(few))
    axes.tick_params(axis="x", which="minor", labelsize=8, labelcolor="#555555")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    threads = results["options"]["threads"]
    axes.set_xlabel(f"ns per element, {threads} thread{'s' * (threads > 1)}, f32, logarithmic: left is faster")
    handles, names = axes.get_legend_handles_labels()
    order = sorted(range(len(names)), key=lambda i: (not names[i].startswith("lrn-jit"), i))
    figure.legend(
        [handles[i] for i in order],
        [names[i] for i in order],
        loc="upper center",
        ncols=4,
        frameon=False,
        bbox_to_anchor=(0.5, 1.0),
        columnspacing=1.4,
        handletextpad=0.3,
    )
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.25 * -(-len(names) // 4) / figure.get_figheight() - 0.01))
    figure.savefig(folder / "results.svg", metadata={"Date": None})
    figure.savefig(folder / "results.png", dpi=110, backend="agg")


if __name__ == "__main__":
    # Draws an earlier run's results again: report.py target/peers/results
    import sys

    from cases import CASES

    where = Path(sys.argv[1])
    found = json.loads((where / "results.json").read_text())
    shown = [case for case in CASES if case.id in found["cases"]]
    (where / "results.md").write_text(markdown(found, shown))
    plot(where, found, shown)
