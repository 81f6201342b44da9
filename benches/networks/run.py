#!/usr/bin/env python3
"""Whole networks in ONNX Runtime and tract, one thread, with their own LRN and with lrn-jit's. README.md says how.

    benches/networks/run.py [--rounds N] [--seconds S] [--help]

Installs what it needs into target/networks. Results: target/networks/results/results.md, .json, .svg, .png.
"""

import argparse
import json
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "peers"))

from install import REPO, Environment, Unavailable, call  # noqa: E402

# The largest difference of two outputs, relative to the largest output.
TOLERANCE = 1e-5


def arguments():
    parser = argparse.ArgumentParser(description="Whole networks, with a runtime's own LRN and with lrn-jit's.")
    parser.add_argument("--rounds", type=int, default=10, help="turns of each, taken in alternation")
    parser.add_argument("--seconds", type=float, default=1.0, help="of a turn in ONNX Runtime, at least")
    parser.add_argument("--runs", type=int, default=10, help="of a turn in tract")
    parser.add_argument("--hosts", default="onnxruntime,tract", help="only these")
    parser.add_argument("--cpu", type=int, default=max(os.sched_getaffinity(0)), help="the one that is used")
    return parser.parse_args()


def hosts(options, folder, absent):
    from hosts import OnnxRuntime, Tract

    known = {
        "onnxruntime": lambda: OnnxRuntime(folder, options.seconds),
        "tract": lambda: Tract(folder, options.runs),
    }
    for name in options.hosts.split(","):
        print(f"building: {name}", file=sys.stderr)
        try:
            yield known[name]()
        except Unavailable as reason:
            absent.append(f"{name} is left out: {reason}")
            print(absent[-1], file=sys.stderr)


def measure(host, name, options):
    """Outputs are compared first; then both take turns, and each keeps its least times."""
    import numpy as np

    own, ours = host.prepare(name, False), host.prepare(name, True)
    difference = float(np.max(np.abs(ours - own)) / np.max(np.abs(own)))
    if not difference <= TOLERANCE:
        raise Unavailable(f"{host.name}, {name}: outputs differ by {difference:.1e} of the largest")
    turns = {False: [], True: []}
    for turn in range(options.rounds):
        print(f"timing: {host.name}, {name}, round {turn + 1} of {options.rounds}", file=sys.stderr)
        # Whoever begins has no advantage.
        for which in (False, True) if turn % 2 == 0 else (True, False):
            turns[which].append(host.turn(name, which))
    host.release(name)
    least = {which: [min(column) for column in zip(*rows)] for which, rows in turns.items()}
    return {
        "host": host.name,
        "network": name,
        "difference": difference,
        "before_ms": least[False][0],
        "before_lrn_ms": least[False][1],
        "after_ms": least[True][0],
        "after_lrn_ms": least[True][1],
        "ratio": least[True][0] / least[False][0],
        "turns_ms": {"before": [row[0] for row in turns[False]], "after": [row[0] for row in turns[True]]},
    }


def main():
    options = arguments()
    about = json.loads(call("cargo", "metadata", "--no-deps", "--format-version", "1", cwd=REPO))
    folder = Path(about["target_directory"]) / "networks"
    folder.mkdir(parents=True, exist_ok=True)
    environment = Environment(folder)
    if Path(sys.prefix) != environment.folder:
        environment.pip("-r", str(HERE / "requirements.txt"))
        os.execv(environment.python, [str(environment.python), __file__, *sys.argv[1:]])

    import report
    import results
    import twins

    absent, failures, records, found = [], [], [], []
    for name in twins.NETWORKS:
        print(f"making: {name}", file=sys.stderr)
        twins.make(name, folder)
    machine = report.machine()
    built = list(hosts(options, folder, absent))
    os.sched_setaffinity(0, {options.cpu})
    for host in built:
        found.append({"name": host.name, "version": host.version, "how": host.how})
        for name in twins.NETWORKS:
            try:
                records.append(measure(host, name, options))
            except Unavailable as reason:
                failures.append(str(reason))
                print(failures[-1], file=sys.stderr)
    networks = {name: {"title": title, "layers": twins.layers(name, folder)} for name, title in twins.NETWORKS.items()}
    results.write(folder / "results", {
        "machine": machine,
        "options": vars(options),
        "hosts": found,
        "networks": networks,
        "records": records,
        "absent": absent,
        "failures": failures,
    })
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    try:
        main()
    except Unavailable as reason:
        sys.exit(f"cannot go on: {reason}")
