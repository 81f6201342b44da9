"""Loading and unloading, memory, shape inference as sessions show it, and hosts that refuse executable memory."""

import ctypes
import gc
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from models import formula, lrn_model, model_of, options, random, session, worst_ulp
from onnx import TensorProto, helper

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


class Mallinfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"
    )]


def allocated():
    """Bytes that this process has allocated and not freed, by glibc's books: what pages the allocator holds is not in them."""
    mallinfo = ctypes.CDLL(None).mallinfo2
    mallinfo.restype = Mallinfo
    info = mallinfo()
    return info.uordblks + info.hblkhd


def resident():
    """Kilobytes of anonymous memory of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1])


def executable():
    """Bytes of executable memory that belongs to no file: compiled kernels."""
    lines = (line.split() for line in Path("/proc/self/maps").read_text().splitlines())
    ranges = (line[0].split("-") for line in lines if "x" in line[1] and len(line) == 5)
    return sum(int(end, 16) - int(begin, 16) for begin, end in ranges)


def child(code):
    """Runs code in a process of its own, beside these tests."""
    environment = dict(os.environ, PYTHONPATH=str(Path(__file__).parent))
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)
    return done.stdout, done.stderr


CYCLES = """
import gc
import numpy as np
from models import lrn_model, random, session
from test_lifetimes import allocated, executable, resident

shape = (1, 64, 28, 28)
DTYPES = ["float32", "float64", "float16", "bfloat16"]
models = [lrn_model(shape, dtype, size=5, alpha=2.0) for dtype in DTYPES]
inputs = [random(shape, dtype) for dtype in DTYPES]
kept = [session(model) for model in models] if {keep} else []
for ready, x in zip(kept, inputs):
    ready.run(None, dict(x=x))
gc.collect()
before = executable()
memory = []
for turn in range(300):
    ready = session(models[turn % 4], threads=1 + turn % 2)
    assert np.isfinite(ready.run(None, dict(x=inputs[turn % 4]))[0]).all()
    assert executable() > 0
    del ready
    gc.collect()
    assert executable() == before, "code outlives its session"
    memory.append((allocated(), resident()))
(early, early_pages), (late, late_pages) = memory[99], memory[299]
print(f"turns 100 to 300: allocated {{early}} to {{late}} bytes, resident {{early_pages}} to {{late_pages}} KB")
# The runtime alone keeps some 100 bytes each time.
assert late - early <= 200 * 500, memory
assert late_pages - early_pages <= 2000, memory
"""


@LINUX
def test_300_loads_and_unloads_in_flat_memory():
    """A library that left the memory with each last session (build.rs) would lose a megabyte each time."""
    child(CYCLES.format(keep=False))


@LINUX
def test_300_sessions_beside_others_of_the_same_layers():
    child(CYCLES.format(keep=True))


def test_a_session_outlives_its_options():
    x = random((1, 9, 4, 4))
    ready = session(lrn_model(x.shape, size=4, alpha=2.0))
    gc.collect()
    assert worst_ulp("float32", ready.run(None, {"x": x})[0], formula(x, 4, 2.0)) <= 4


def test_options_serve_several_sessions_and_register_twice():
    shared = options()
    x = random((1, 9, 4, 4))
    for size in (3, 4):
        model = lrn_model(x.shape, size=size, alpha=2.0).SerializeToString()
        ready = onnxruntime.InferenceSession(model, shared, providers=["CPUExecutionProvider"])
        assert worst_ulp("float32", ready.run(None, {"x": x})[0], formula(x, size, 2.0)) <= 4


@pytest.mark.parametrize("domain", ["", "lrn_jit"])
@pytest.mark.parametrize("shape", [(2, 5, 4, 3), ("n", 5, "h", "w"), ("n", "c")])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_shapes_and_types_are_inferred(domain, shape, dtype):
    """An output without a declared shape has the input's, symbols and all."""
    element = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    x = helper.make_tensor_value_info("x", element, shape)
    y = helper.make_tensor_value_info("y", element, None)
    ready = session(model_of([helper.make_node("LRN", ["x"], ["y"], size=3, domain=domain)], [x], [y]))
    output = ready.get_outputs()[0]
    assert tuple(output.shape) == shape
    assert output.type == ready.get_inputs()[0].type


def test_an_input_of_unknown_rank():
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xy")
    ready = session(model_of([helper.make_node("LRN", ["x"], ["y"], size=3)], [x], [y]))
    for shape in [(2, 5), (2, 5, 3, 3, 2)]:
        given = random(shape)
        assert worst_ulp("float32", ready.run(None, {"x": given})[0], formula(given, 3)) <= 4


LOG = """
from models import lrn_model, random, session
session(lrn_model((1, 3, 2, 2), size=3), log=1)
"""


def test_the_log_says_what_runs():
    _, log = child(LOG)
    assert "lrn-jit: LocalResponseNorm(3, alpha=" in log and "of f32: jit: compiled for" in log, log


DENIED = """
import ctypes
import numpy as np
from models import lrn_model, random, session
x = random((1, 9, 4, 4))
model = lrn_model(x.shape, size=4, alpha=2.0)
compiled = session(model).run(None, {"x": x})[0]
PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1
if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) != 0:
    print("this kernel cannot refuse")
else:
    y = session(model, log=2).run(None, {"x": x})[0]
    np.testing.assert_array_equal(y, compiled)
    print("refused")
"""


@LINUX
def test_without_executable_memory_the_same_bits_and_a_warning():
    out, log = child(DENIED)
    if "refused" not in out:
        pytest.skip("PR_SET_MDWE needs Linux 6.3")
    assert "interpreter: the host denies executable memory" in log, log
