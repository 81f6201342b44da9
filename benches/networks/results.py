"""The results as JSON, as a Markdown table, and as a plot."""

import json
import sys
from pathlib import Path

# Okabe and Ito's colours, which the colour-blind can tell apart.
LRN, OURS, REST = "#D55E00", "#0072B2", "#C9CED3"


def write(folder, results):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    draw(folder, results)


def draw(folder, results):
    text = markdown(results)
    (folder / "results.md").write_text(text)
    print(text)
    if results["records"]:
        plot(folder, results)


def markdown(results):
    machine, networks = results["machine"], results["networks"]
    out = [
        "| | before, ms | LRN's share | after, ms | LRN's share | after ÷ before | outputs differ by |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for host in results["hosts"]:
        for record in (record for record in results["records"] if record["host"] == host["name"]):
            share = lambda when: f"{record[f'{when}_lrn_ms'] / record[f'{when}_ms']:.1%}".replace("%", " %")
            cells = [
                f"{host['name']} {host['version']}, {networks[record['network']]['title']}",
                steady(record, "before") + f"{record['before_ms']:.2f}",
                share("before"),
                steady(record, "after") + f"{record['after_ms']:.2f}",
                share("after"),
                f"**{record['ratio']:.3f}**",
                f"{record['difference']:.1e}",
            ]
            out.append(f"| {' | '.join(cells)} |")
    out += [
        "",
        f"{machine['cpu']}; {', '.join(machine['vectors'])}; {machine['rustc']}; commit {machine['commit']}.",
        f"One thread, batch of one; before and after in turns, {results['options']['rounds']} of each, the fastest run of all.",
        "The difference is that of the outputs before the softmax, relative to the largest of them.",
        *(f"{host['name']}: {host['how']}." for host in results["hosts"]),
        "LRN of "
        + "; ".join(f"{network['title']}: {' and '.join(network['layers'])}" for network in networks.values())
        + ".",
    ]
    out += ["", *results["absent"]] if results["absent"] else []
    if results["failures"]:
        out += ["", "What failed:", "", *(f"* {failure}" for failure in results["failures"])]
    return "\n".join(out) + "\n"


def steady(record, when):
    """“~” if no second turn came near the fastest: the machine was busy."""
    best = sorted(record["turns_ms"][when])[:2]
    return "~" if best[-1] > 1.1 * best[0] else ""


def plot(folder, results):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "networks", "font.family": "DejaVu Sans", "font.size": 9})
    from matplotlib import pyplot
    from matplotlib.patches import Patch

    hosts = [host for host in results["hosts"] if any(record["host"] == host["name"] for record in results["records"])]
    figure, panels = pyplot.subplots(1, len(hosts), figsize=(5.2 * len(hosts), 3.5), squeeze=False)
    for axes, host in zip(panels[0], hosts):
        records = [record for record in results["records"] if record["host"] == host["name"]]
        widest = max(record["before_ms"] for record in records)
        ticks, labels = [], []
        for index, record in enumerate(records):
            for row, (when, color) in enumerate((("before", LRN), ("after", OURS))):
                total, lrn = record[f"{when}_ms"], record[f"{when}_lrn_ms"]
                place = index * 1.15 + row * 0.42
                axes.barh(place, total - lrn, 0.38, color=REST)
                axes.barh(place, lrn, 0.38, left=total - lrn, color=color)
                note = f"{total:.1f} ms" + (f"   × {record['ratio']:.2f}" if when == "after" else "")
                weight = "bold" if when == "after" else "normal"
                axes.text(total + 0.015 * widest, place, note, va="center", fontsize=8.5, fontweight=weight)
                if when == "before":
                    axes.text(
                        total - lrn / 2, place, f"LRN {lrn / total:.0%}".replace("%", " %"),
                        ha="center", va="center", fontsize=8, color="white",
                    )
            ticks.append(index * 1.15 + 0.21)
            labels.append(results["networks"][record["network"]]["title"])
        axes.set_yticks(ticks, labels)
        axes.set_ylim(ticks[-1] + 0.7, -0.4)
        axes.set_xlim(0, widest * 1.2)
        axes.set_title(f"{host['name']} {host['version']}", fontsize=10.5, fontweight="bold", loc="left")
        axes.set_xlabel("ms for one image, one thread")
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color="#E3E3E3", linewidth=0.8)
        axes.set_axisbelow(True)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
    names = {REST: "all else", LRN: "the runtime's LRN", OURS: "lrn-jit's LRN"}
    handles = [Patch(color=color, label=name) for color, name in names.items()]
    figure.legend(handles=handles, loc="upper center", ncols=3, frameon=False, bbox_to_anchor=(0.5, 1.0))
    figure.tight_layout(rect=(0, 0, 1, 0.93), w_pad=2.5)
    figure.savefig(folder / "results.svg", metadata={"Date": None})
    figure.savefig(folder / "results.png", dpi=110, backend="agg")


if __name__ == "__main__":
    # Draws an earlier run's results again: results.py target/networks/results
    where = Path(sys.argv[1])
    draw(where, json.loads((where / "results.json").read_text()))
