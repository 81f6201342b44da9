#!/usr/bin/env python3
"""Times lrn-jit beside other libraries in one run: same tensors, answers checked, turns taken. README.md says how.

    benches/peers/run.py [--threads N] [--widths 128,256,512] [--tract] [--burn] [--help]

Installs what it needs into target/peers; what cannot be had is reported and left out. Results: target/peers/results/.
"""

import argparse
import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path

import install
from cases import CASES
from install import REPO, Environment, Unavailable

HERE = Path(__file__).resolve().parent
# Seconds after which a contestant that does not answer is given up.
PATIENCE = 900
# The largest relative error of an answer that is still right.
TOLERANCE = 1e-4


def arguments():
    parser = argparse.ArgumentParser(description="Times lrn-jit beside other libraries.")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cpu", type=int, default=max(os.sched_getaffinity(0)), help="one thread is pinned to it")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.3, help="at least, per turn")
    parser.add_argument("--widths", default="", help="vector widths of lrn-jit, in bits: 128,256,512")
    parser.add_argument("--cases", default="", help="only these, by their names in cases.py")
    parser.add_argument("--peers", default="", help="only these, by their names in the table's header")
    parser.add_argument("--tract", action="store_true", help="tract as well (takes minutes to build)")
    parser.add_argument("--burn", action="store_true", help="burn as well (takes minutes to build)")
    parser.add_argument("--onednn-sycl", action="store_true", help="PyPI's newest oneDNN as well (2 GB more)")
    parser.add_argument("--full-torch", action="store_true", help="torch with its CUDA packages (3 GB more)")
    parser.add_argument("--out", default="", help="the folder of the results, inside target/peers")
    return parser.parse_args()


class Contestant:
    """A process that answers line by line. It is started once, so that what it compiles is compiled once."""

    def __init__(self, name, command, folder, options):
        self.name = name
        self.about = {}
        env = dict(os.environ, PEERS_THREADS=str(options.threads), TORCHINDUCTOR_CACHE_DIR=str(folder / "inductor"))
        for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"):
            env[variable] = str(options.threads)
        log = (folder / "log").joinpath(f"{name.replace(' ', '-')}.txt")
        log.parent.mkdir(exist_ok=True)
        # A process starts where its parent is.
        everywhere = os.sched_getaffinity(0)
        if options.threads == 1:
            os.sched_setaffinity(0, {options.cpu})
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log.open("w"),
            text=True,
            bufsize=1,
            env=env,
            cwd=folder,
        )
        os.sched_setaffinity(0, everywhere)
        self.lines = queue.Queue()  # of what it printed; None: it ended
        threading.Thread(target=self._read, daemon=True).start()
        self.about = self._answer()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def _answer(self):
        try:
            line = self.lines.get(timeout=PATIENCE)
        except queue.Empty:
            self.stop()
            raise Unavailable(f"no answer within {PATIENCE} s") from None
        if line is None:
            raise Unavailable(f"ended with code {self.process.wait()} (see target/peers/log)")
        try:
            return json.loads(line)
        except ValueError:
            raise Unavailable(f"not an answer: {line.strip()[:200]}") from None

    def ask(self, *words):
        try:
            self.process.stdin.write(" ".join(str(word) for word in words) + "\n")
        except OSError:
            raise Unavailable(f"ended with code {self.process.wait()} (see target/peers/log)") from None
        return self._answer()

    def stop(self):
        self.process.kill()
        self.process.wait()


def commands(options, environment, folder, ours):
    """Everyone's name and a function that installs them and gives their command."""
    python = [environment.python]
    threads = ["--threads", options.threads] if options.threads > 1 else []
    widths = [int(width) for width in options.widths.split(",") if width]

    def rival(file, *words, **packages):
        def ready():
            environment.need(**packages)
            return [*python, HERE / file, *words]

        return ready

    def torch(*words):
        def ready():
            install.torch(environment, options.full_torch)
            return [*python, HERE / "peer_torch.py", *words]

        return ready

    def openvino():
        install.openvino(environment)
        return [*python, HERE / "peer_openvino.py"]

    # The last of ours is what all others are compared to.
    found = {"lrn-jit nChw16c": lambda: [ours, "serve", *threads, "--blocked"]}
    for width in widths:
        found[f"lrn-jit {width}"] = lambda width=width: [ours, "serve", *threads, "--width", width]
    if not widths:
        found["lrn-jit"] = lambda: [ours, "serve", *threads]
    found["oneDNN"] = lambda: [install.onednn_pypi(environment, folder), "plain"]
    found["oneDNN nChw16c"] = lambda: [install.onednn_pypi(environment, folder), "blocked"]
    found["oneDNN Debian"] = lambda: [install.onednn_debian(folder), "plain"]
    found["oneDNN Debian nChw16c"] = lambda: [install.onednn_debian(folder), "blocked"]
    if options.onednn_sycl:
        found["oneDNN SYCL"] = lambda: [*install.onednn_sycl(folder), "plain"]
        found["oneDNN SYCL nChw16c"] = lambda: [*install.onednn_sycl(folder), "blocked"]
    found["OpenVINO"] = openvino
    found["torch.compile"] = torch("compile")
    found["torch eager"] = torch()
    found["onnxruntime"] = rival("peer_onnxruntime.py", onnx="onnx", onnxruntime="onnxruntime")
    for name, wanted in (("tract", options.tract), ("burn", options.burn)):
        if wanted:
            found[name] = lambda name=name: [install.crate(name, folder)]
    found["memcpy"] = lambda: [ours, "serve", "--memcpy"]
    chosen = {name for name in options.peers.split(",") if name}
    return {
        name: ready
        for name, ready in found.items()
        if not chosen or name in chosen or name.startswith(("lrn-jit", "memcpy"))
    }


def start(options, environment, folder, ours, failures):
    contestants = []
    for name, ready in commands(options, environment, folder, ours).items():
        try:
            contestants.append(Contestant(name, ready(), folder, options))
            print(f"{name}: {contestants[-1].about['version']}", file=sys.stderr)
        except Unavailable as reason:
            failures.append(f"{name}: {reason}")
            print(f"{name} is left out: {reason}", file=sys.stderr)
    return contestants


def prepare(contestants, cases, reference, failures):
    """Has everyone build every case and compute it once; keeps those whose answer is right."""
    from check import formula, worst

    records = []
    for case in cases:
        print(f"checking: {case.group}, {case.name}", file=sys.stderr)
        expected, given = Path(f"expected-{case.id}.bin"), Path("given.bin")
        answer = reference.ask("prepare", case.line(), "x.bin", expected)
        if "error" in answer:
            raise Unavailable(f"the reference errs on {case.id}: {answer['error']}")
        error = formula(case, "x.bin", expected)
        if error > 1e-6:
            raise Unavailable(f"the reference is off the formula by {error:.1e} on {case.id}")
        for contestant in list(contestants):
            record = {"peer": contestant.name, "case": case.id}
            try:
                answer = contestant.ask("prepare", case.line(), "x.bin", given)
            except Unavailable as reason:
                answer = {"error": str(reason)}
                contestants.remove(contestant)
            record |= answer
            if "implementation" in answer and contestant.name != "memcpy":
                record["error_max"] = worst(given, expected)
                if not record["error_max"] <= TOLERANCE:
                    record["error"] = f"wrong answer: relative error {record['error_max']:.1e}"
            if "error" in record:
                failures.append(f"{contestant.name}, {case.id}: {record['error']}")
                print(failures[-1], file=sys.stderr)
            records.append(record)
        expected.unlink()
    return records


def measure(contestants, records, options, failures):
    """Everyone takes turns, case by case, round after round; each keeps its fastest call."""
    by_name = {contestant.name: contestant for contestant in contestants}
    for turn in range(options.rounds):
        print(f"timing: round {turn + 1} of {options.rounds}", file=sys.stderr)
        for record in records:
            contestant = by_name.get(record["peer"])
            if contestant is None or "implementation" not in record or "error" in record:
                continue
            try:
                answer = contestant.ask("time", record["case"], options.seconds)
            except Unavailable as reason:
                answer = {"error": str(reason)}
                del by_name[contestant.name]
            if "error" in answer:
                failures.append(f"{contestant.name}, {record['case']}: {answer['error']}")
                record["error"] = answer["error"]
            else:
                record["ns"] = min(answer["ns"], record.get("ns", answer["ns"]))
                record.setdefault("turns", []).append(answer["ns"])


def main():
    options = arguments()
    folder = REPO / "target" / "peers"
    folder.mkdir(parents=True, exist_ok=True)
    environment = Environment(folder)
    if Path(sys.prefix) != environment.folder:
        environment.need(numpy="numpy", matplotlib="matplotlib")
        os.execv(environment.python, [str(environment.python), __file__, *sys.argv[1:]])

    import report

    chosen = {name for name in options.cases.split(",") if name}
    cases = [case for case in CASES if not chosen or case.id in chosen]
    failures = []
    host = report.machine()
    ours = install.ours(options.threads)
    os.chdir(folder)
    install.call(ours, "input", max(case.elements for case in cases), "x.bin")
    reference = Contestant("reference", [ours, "serve", "--reference"], folder, options)
    contestants = start(options, environment, folder, ours, failures)
    about = {contestant.name: contestant.about for contestant in contestants}
    records = prepare(contestants, cases, reference, failures)
    reference.stop()
    measure(contestants, records, options, failures)
    for contestant in contestants:
        contestant.stop()
    report.write(folder / (options.out or "results"), host, vars(options), cases, about, records, failures)


if __name__ == "__main__":
    try:
        main()
    except Unavailable as reason:
        sys.exit(f"cannot go on: {reason}")
