"""OpenVINO's CPU plugin: a model of one LRN, latency hint, f32, tensors allocated before.

For channels last the model's input and output get that layout by OpenVINO's own preprocessing API, as its documentation
has it done: LRN over another axis than 1 is another thing to it.
"""

import numpy as np
import openvino as ov
from openvino import opset8 as ops
from openvino.preprocess import PrePostProcessor

from worker import serve, threads

CORE = ov.Core()
CONFIG = {
    "PERFORMANCE_HINT": "LATENCY",
    "INFERENCE_PRECISION_HINT": "f32",
    "INFERENCE_NUM_THREADS": threads(),
    "NUM_STREAMS": 1,
    "ENABLE_CPU_PINNING": False,
}


def prepare(case, alpha, x):
    node = ops.parameter(list(case.shape), np.float32, name="x")
    lrn = ops.lrn(node, ops.constant(np.array([1] if case.region == "across" else [2, 3], np.int64)), alpha, case.beta, case.k, case.size)
    model = ov.Model([lrn], [node], "lrn")
    if case.layout == "nhwc":
        processor = PrePostProcessor(model)
        processor.input().tensor().set_layout(ov.Layout("NHWC"))
        processor.input().model().set_layout(ov.Layout("NCHW"))
        processor.output().model().set_layout(ov.Layout("NCHW"))
        processor.output().tensor().set_layout(ov.Layout("NHWC"))
        model = processor.build()
    compiled = CORE.compile_model(model, "CPU", CONFIG)
    request = compiled.create_infer_request()
    # The request's own tensors: nothing is copied to or fro. (Given NumPy's, 2026.4.1 crashed at the second call.)
    request.get_input_tensor().data[:] = x
    notes = {"implementation": implementation(compiled), "output": "the request's"}

    def run():
        # Without `share_outputs` the result would be copied.
        request.infer(share_outputs=True)

    return run, lambda: request.get_output_tensor().data, notes


def implementation(compiled):
    """What the plugin runs, node after node: its LRN, and reorders around it."""
    steps = []
    for node in compiled.get_runtime_model().get_ordered_ops():
        info = node.get_rt_info()
        kind = str(info["layerType"].astype(str)) if "layerType" in info else node.get_type_name()
        if kind not in ("Input", "Output", "Parameter", "Result", "Const"):
            steps.append(f"{kind} {info['primitiveType'].astype(str)}" if "primitiveType" in info else kind)
    return ", ".join(steps)


serve(
    prepare,
    version=ov.get_version().split("-")[0],
    details=", ".join(f"{key} {value}" for key, value in CONFIG.items()),
)
