"""Local Response Normalization (LRN) on CPUs, compiled for its parameters when a layer is made.

    y[n,c,s] = x[n,c,s] · (k + alpha/size · Σ x[n,j,s]²)^(−beta),   j from c − size//2 to c + (size−1)//2

:class:`LocalResponseNorm` is for numpy arrays. For PyTorch, :mod:`lrn_jit.torch` has a module of the same name, a drop-in for
``torch.nn.LocalResponseNorm``; it is imported when asked for, so that torch need not be there.
"""

from ._numpy import LocalResponseNorm

__all__ = ["LocalResponseNorm"]
