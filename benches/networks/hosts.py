"""The runtimes: each computes a network's output and times it, with its own LRN and with lrn-jit's.

A host has `prepare(name, ours)`, which gives the output, and `turn(name, ours)`, which gives the fastest run's time and the least
time that a run spent in LRN, in milliseconds.
"""

import json
import os
import time

import numpy as np
from install import REPO, Unavailable, call


def cargo(*arguments):
    """Has cargo build something, and gives what it made of the package: its program, or library that can be loaded."""
    out = call("cargo", *arguments, "--message-format", "json", cwd=REPO)
    messages = [json.loads(line) for line in out.splitlines() if line.startswith('{"reason":"compiler-artifact"')]
    made = [messages[-1]["executable"], *messages[-1]["filenames"]]
    return next(file for file in made if file and not file.endswith((".rlib", ".rmeta")))


def packages():
    about = json.loads(call("cargo", "metadata", "--no-deps", "--format-version", "1", cwd=REPO))
    return {package["name"] for package in about["packages"]}


class OnnxRuntime:
    """Sessions of one thread. LRN's time is the sum of what the profiler says of its nodes, in sessions of their own."""

    name = "ONNX Runtime"
    how = "LRN's time by the session's profiler, in other runs than those timed"

    def __init__(self, folder, seconds):
        import onnxruntime

        self.folder, self.seconds = folder, seconds
        self.library = cargo("build", "--release", "-p", "lrn-jit-onnxruntime")
        self.version = onnxruntime.__version__
        self.sessions = {}

    def session(self, name, ours, profiled=False):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        if ours:
            options.register_custom_ops_library(self.library)
        if profiled:
            options.enable_profiling = True
            options.profile_file_prefix = str(self.folder / "profile")
        model = str(self.folder / f"{name}.onnx")
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def prepare(self, name, ours):
        session = self.session(name, ours)
        feed = {session.get_inputs()[0].name: np.load(self.folder / f"{name}.npy")}
        self.sessions[name, ours] = session, feed
        return session.run(None, feed)[0]

    def turn(self, name, ours):
        session, feed = self.sessions[name, ours]
        session.run(None, feed)
        best, begin, runs = float("inf"), time.perf_counter(), 0
        while runs < 3 or time.perf_counter() - begin < self.seconds:
            start = time.perf_counter()
            session.run(None, feed)
            best = min(best, time.perf_counter() - start)
            runs += 1
        return best * 1e3, self.profile(name, ours, feed, runs)

    def profile(self, name, ours, feed, runs):
        session = self.session(name, ours, profiled=True)
        for _ in range(runs + 1):
            session.run(None, feed)
        path = session.end_profiling()
        with open(path) as file:
            events = json.load(file)
        os.unlink(path)
        times = {}
        for event in events:
            if event["cat"] == "Node" and event["args"].get("op_name") == "LRN" and event["name"].endswith("_kernel_time"):
                times.setdefault(event["name"], []).append(event["dur"])
        if not times or any(len(each) != runs + 1 for each in times.values()):
            raise Unavailable(f"the profile of {name} has not {runs + 1} times of each LRN")
        # Without the first run.
        return min(map(sum, zip(*(each[1:] for each in times.values())))) / 1e3

    def release(self, name):
        self.sessions = {key: kept for key, kept in self.sessions.items() if key[0] != name}


class Tract:
    """The example `network` of lrn-jit-tract, a process for each turn."""

    name = "tract"
    how = "LRN's time node by node, in other runs than those timed"

    def __init__(self, folder, runs):
        if "lrn-jit-tract" not in packages():
            raise Unavailable("this workspace has no package lrn-jit-tract")
        self.folder, self.runs = folder, runs
        self.program = cargo("build", "--release", "-p", "lrn-jit-tract", "--example", "network")
        tree = call("cargo", "tree", "-p", "lrn-jit-tract", "--depth", "1", "--prefix", "none", cwd=REPO)
        self.version = next(line.split()[1] for line in tree.splitlines() if line.startswith("tract-onnx ")).lstrip("v")

    def run(self, name, ours, runs):
        output = self.folder / f"{name}-output.npy"
        output.unlink(missing_ok=True)
        more = ["--accelerate"] if ours else []
        files = [self.folder / f"{name}.onnx", self.folder / f"{name}.npy", output]
        answer = json.loads(call(self.program, *files, "--runs", runs, *more).splitlines()[-1])
        if bool(answer["replaced"]) != ours:
            raise Unavailable(f"tract: {answer['replaced']} LRN replaced in {name}, accelerated: {ours}")
        return np.load(output), answer

    def prepare(self, name, ours):
        return self.run(name, ours, 1)[0]

    def turn(self, name, ours):
        answer = self.run(name, ours, self.runs)[1]
        return answer["min_ms"], answer["lrn_ms"]

    def release(self, name):
        pass
