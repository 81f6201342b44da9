"""The words that parameters are made of, as types."""

from typing import Literal, TypeAlias

Boundary: TypeAlias = Literal["zero", "wrap"]
Convention: TypeAlias = Literal["torch", "onnx", "tensorflow", "caffe", "cudnn", "onednn", "symmetric"]
Task: TypeAlias = Literal["forward", "backward", "jvp", "double_backward"]
