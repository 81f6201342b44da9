"""PyTorch, eager and compiled (`compile` as argument): nn.LocalResponseNorm in inference mode.

Channels last is torch's memory format of that name. There is no `out=`: every call allocates its result, and eager's
temporaries.
"""

import sys

import torch
from torch import nn

from worker import serve, threads

COMPILED = "compile" in sys.argv[1:]
torch.set_num_threads(threads())
if COMPILED:
    import torch._dynamo as dynamo

    # Beyond this limit torch falls back to eager; it counts per function, and each case has one of its own.
    dynamo.config.recompile_limit = 64


class WithinChannel(nn.Module):
    """What torch has no layer for, in the operations that its LocalResponseNorm takes."""

    def __init__(self, size, alpha, beta, k):
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x):
        mean = nn.functional.avg_pool2d(x.mul(x), self.size, stride=1, padding=self.size // 2)
        return x / mean.mul(self.alpha).add(self.k).pow(self.beta)


def prepare(case, alpha, x):
    x = torch.from_numpy(x)
    if case.layout == "nhwc":
        x = x.permute(0, 3, 1, 2)
    layer = nn.LocalResponseNorm(case.size, alpha=alpha, beta=case.beta, k=case.k).eval()
    if case.region == "within":
        layer = WithinChannel(case.size, alpha, case.beta, case.k).eval()
    if COMPILED:
        scope = {"layer": layer}
        exec("def forward(x):\n    return layer(x)", scope)  # code of its own, hence a cache of its own
        layer = torch.compile(scope["forward"], dynamic=False, fullgraph=True)
    result = None

    @torch.inference_mode()
    def run():
        nonlocal result
        # The last result is given back first, so that its memory can be had again.
        result = None
        result = layer(x)

    def output():
        return (result.permute(0, 2, 3, 1) if case.layout == "nhwc" else result).contiguous().numpy()

    notes = {
        "implementation": "inductor" if COMPILED else "mul, pad, avg_pool, pow, div",
        "output": "allocated by each call",
    }
    return run, output, notes


serve(
    prepare,
    version=torch.__version__,
    details=f"{torch.backends.cpu.get_cpu_capability()}, threads: {torch.get_num_threads()}",
)
