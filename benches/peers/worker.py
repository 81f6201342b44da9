"""The Python side of a rival: answers run.py's lines. The rivals' own files say how each is called.

The protocol (README.md): one line in, one line of JSON out. Times are taken here, in the rival's process, around each call.
"""

import json
import os
import sys
import time

import numpy as np

from cases import parse


class Absent(Exception):
    """A case that a rival does not have, and why. Not a failure."""


def serve(prepare, **about):
    """Answers until the input ends.

    `prepare(case, alpha, x)` builds what can be built once, and gives `(run, output, notes)`: `run()` computes, `output()`
    is the last result as a NumPy array in the case's layout. `x` is the input in that layout.
    """
    # Whatever a library prints goes to the log; only answers reach the pipe.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    runners = {}
    data = None
    print(json.dumps(about), file=answers)
    for line in sys.stdin:
        command, *words = line.split()
        try:
            if command == "prepare":
                *words, source, target = words
                if data is None:
                    data = np.fromfile(source, np.float32)
                case, alpha = parse(words)
                run, output, notes = prepare(case, alpha, shaped(data, case))
                run()
                np.ascontiguousarray(output(), np.float32).tofile(target)
                runners[case.id] = run
                answer = notes
            elif command == "time":
                answer = measure(runners[words[0]], float(words[1]))
            else:
                break
        except Absent as reason:
            answer = {"absent": str(reason)}
        except Exception as error:  # a rival may raise anything, and the others go on
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:300]}
        print(json.dumps(answer), file=answers)


def shaped(data, case):
    batch, channels, height, width = case.shape
    shape = (batch, channels, height, width) if case.layout == "nchw" else (batch, height, width, channels)
    # A copy of its own, as each rival's allocator places it.
    return data[: case.elements].reshape(shape).copy()


def measure(run, seconds):
    """The fastest call of at least three and at least `seconds`, after one that is not timed."""
    run()
    best, runs, begin = float("inf"), 0, time.perf_counter()
    while runs < 3 or time.perf_counter() - begin < seconds:
        start = time.perf_counter_ns()
        run()
        best = min(best, time.perf_counter_ns() - start)
        runs += 1
    return {"ns": best, "runs": runs}


def threads():
    return int(os.environ.get("PEERS_THREADS", "1"))
