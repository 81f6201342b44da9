"""A program that type checkers are to understand; nothing runs it."""

import numpy as np
import torch
from numpy.typing import NDArray

from lrn_jit import LocalResponseNorm
from lrn_jit.torch import LocalResponseNorm as Module
from lrn_jit.torch import local_response_norm, replace

layer = LocalResponseNorm(5, 1e-4, convention="onnx", axes=(1, -1), threads=2)
x: NDArray[np.float16] = np.ones((1, 5), np.float16)
y: NDArray[np.float16] = layer(x)
dx: NDArray[np.float16] = layer.backward(x, y, out=x)
module: torch.nn.LocalResponseNorm = Module(5, beta=0.5)
count: int = replace(torch.nn.Sequential(module))
z: torch.Tensor = local_response_norm(torch.ones(1, 5, 2), 3)
