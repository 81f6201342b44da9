"""Threads: as many as asked for, the GIL released, pools that survive a fork; and how much memory calls take."""

import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from lrn_jit import LocalResponseNorm

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def draw(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def run(program):
    """Runs a program of its own; what it prints."""
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_bits_do_not_depend_on_threads():
    x, g = draw(16, 64, 20, 20), draw(16, 64, 20, 20)
    one, three = (LocalResponseNorm(5, alpha=1.0, threads=threads) for threads in (1, 3))
    assert one(x).tobytes() == three(x).tobytes()
    assert one.backward(x, g).tobytes() == three.backward(x, g).tobytes()
    last = np.moveaxis(draw(16, 20, 20, 64), -1, 1)
    assert one(last).tobytes() == three(last).tobytes()


def test_one_layer_in_many_python_threads():
    layer = LocalResponseNorm(5, alpha=1.0, threads=2)
    inputs = [draw(2, 8 + i, 50, 50) for i in range(8)] + [draw(8, 96, 30, 30)] * 4
    expected = [LocalResponseNorm(5, alpha=1.0)(x).tobytes() for x in inputs]
    with ThreadPoolExecutor(8) as executor:
        for _ in range(5):
            assert [y.tobytes() for y in executor.map(layer, inputs)] == expected


def test_the_gil_is_released():
    layer, x = LocalResponseNorm(5), draw(64, 64, 28, 28)
    out = np.empty_like(x)
    count, stop = 0, threading.Event()

    def counting():
        nonlocal count
        while not stop.is_set():
            count += 1
            time.sleep(0)

    interval = sys.getswitchinterval()
    # No thread is interrupted: the other one counts while this one lets it.
    sys.setswitchinterval(1000)
    thread = threading.Thread(target=counting)
    try:
        thread.start()
        before, end = count, time.monotonic() + 30
        # This thread lets the other one in nowhere but in a call; the system may take a while to run it.
        while count == before and time.monotonic() < end:
            layer(x, out)
        during = count - before
    finally:
        stop.set()
        sys.setswitchinterval(interval)
        thread.join()
    assert during > 0


THREADS = """
    import os
    import time
    import numpy as np
    from lrn_jit import LocalResponseNorm
    def named():
        tasks = "/proc/self/task"
        names = [open(f"{tasks}/{task}/comm").read() for task in os.listdir(tasks)]
        return sum(name.startswith("lrn-jit") for name in names)
    def workers(expected):
        # A thread names itself when it first runs, which may be after the call that began it.
        end = time.monotonic() + 30
        while named() < expected and time.monotonic() < end:
            time.sleep(0.01)
        # One too many would have a name by now.
        time.sleep(0.1)
        return named()
    large, small = np.ones((8, 64, 40, 40), np.float32), np.ones((1, 64, 7, 7), np.float32)
"""


@LINUX
def test_there_are_as_many_threads_as_asked_for_and_none_for_small_arrays():
    program = """
        print(workers(0))
        LocalResponseNorm(5)(large); print(workers(0))
        LocalResponseNorm(5, threads=3)(small); print(workers(0))
        LocalResponseNorm(5, threads=3)(large); print(workers(3))
        LocalResponseNorm(5, alpha=2.0, threads=3)(large); print(workers(3))
    """
    assert run(textwrap.dedent(THREADS) + textwrap.dedent(program)) == ["0", "0", "0", "3", "3"]


@LINUX
def test_torchs_number_of_threads_is_obeyed():
    program = """
        import torch
        from lrn_jit.torch import LocalResponseNorm
        for threads, x, expected in ((1, large, 0), (2, small, 0), (2, large, 2)):
            torch.set_num_threads(threads)
            LocalResponseNorm(5)(torch.from_numpy(x))
            print(workers(expected))
    """
    assert run(textwrap.dedent(THREADS) + textwrap.dedent(program)) == ["0", "0", "2"]


@LINUX
def test_a_forked_process_has_threads_of_its_own():
    program = """
        layer = LocalResponseNorm(5, alpha=1.0, threads=2)
        expected = layer(large).tobytes()
        child = os.fork()
        if child == 0:
            os._exit(0 if layer(large).tobytes() == expected and workers(2) == 2 else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    assert run(textwrap.dedent(THREADS) + textwrap.dedent(program)) == ["0"]


@LINUX
@pytest.mark.parametrize("task", ["layer(x, out)", "layer(x, x)", "layer.backward(x, x, out)", "layer.double_backward(x, x, x, out)"])
@pytest.mark.parametrize("order", ["C", "last"])
def test_nothing_as_large_as_the_tensor_is_allocated(task, order):
    program = f"""
        import numpy as np
        from lrn_jit import LocalResponseNorm
        shape = (64, 64, 64, 64)
        x, out = (np.moveaxis(np.ones(shape, np.float32), -1, 1) if {order!r} == "last" else np.ones(shape, np.float32) for _ in "xy")
        layer = LocalResponseNorm(5)
        small = x[:1, :, :2].copy()
        layer.double_backward(small, small, small)
        def status(name):
            return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name))
        open("/proc/self/clear_refs", "w").write("5")
        before = status("VmRSS")
        {task}
        print(status("VmHWM") - before)
    """
    (kilobytes,) = map(int, run(program))
    assert kilobytes < 64 * 1024 / 8, "of 64 MB"


@LINUX
def test_layers_that_are_gone_leave_no_memory():
    program = """
        import numpy as np
        from lrn_jit import LocalResponseNorm
        x = np.moveaxis(np.ones((2, 5, 5, 8), np.float32), -1, 1)
        def resident():
            return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS"))
        def come_and_go(layers):
            for i in range(layers):
                LocalResponseNorm(3, alpha=1.0 + i).backward(x, x)
            return resident()
        before = come_and_go(100)
        print(come_and_go(1000) - before)
    """
    (kilobytes,) = map(int, run(program))
    # A layer's code, compiled twice, would be 16 KB at least.
    assert kilobytes < 4096
