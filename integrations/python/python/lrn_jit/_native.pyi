from collections.abc import Sequence
from typing import final

from ._names import Boundary, Convention, Task

@final
class Layer:
    """A layer for elements of one type, over raw memory. For this package alone: it believes every address."""

    def __new__(
        cls,
        dtype: str,
        size: int,
        alpha: float | None = None,
        beta: float | None = None,
        k: float | None = None,
        *,
        convention: Convention = "torch",
        boundary: Boundary = "zero",
        relu: bool = False,
        axis: int = 1,
        within: int | None = None,
        axes: Sequence[int] | None = None,
    ) -> Layer: ...
    def run(
        self,
        task: Task,
        shape: Sequence[int],
        addresses: Sequence[int],
        strides: Sequence[Sequence[int]],
        threads: int,
    ) -> None: ...
    @property
    def size(self) -> int: ...
    @property
    def alpha(self) -> float: ...
    @property
    def beta(self) -> float: ...
    @property
    def k(self) -> float: ...
    @property
    def backend(self) -> str: ...
    @property
    def plan(self) -> str: ...
