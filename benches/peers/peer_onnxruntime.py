"""onnxruntime: a model of one LRN, input and output bound to tensors that were allocated before.

Channels first only, as ONNX has it.
"""

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper

from worker import Absent, serve, threads


def prepare(case, alpha, x):
    if case.region != "across":
        raise Absent("ONNX has windows across channels alone")
    if case.layout != "nchw":
        raise Absent("LRN is channels first in ONNX")
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, case.shape) for name in ("x", "y")]
    node = helper.make_node("LRN", ["x"], ["y"], size=case.size, alpha=alpha, beta=case.beta, bias=case.k)
    graph = helper.make_graph([node], "lrn", tensors[:1], tensors[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads()
    options.inter_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    source = ort.OrtValue.ortvalue_from_numpy(x)
    target = ort.OrtValue.ortvalue_from_numpy(np.full_like(x, np.nan))
    binding = session.io_binding()
    binding.bind_ortvalue_input("x", source)
    binding.bind_ortvalue_output("y", target)
    notes = {"implementation": "CPUExecutionProvider", "output": "bound"}
    return lambda: session.run_with_iobinding(binding), target.numpy, notes


serve(prepare, version=ort.__version__, details=f"intra_op_num_threads {threads()}")
