"""What is computed: layers and tensors. Everyone reads the same input file; a case uses as much of its beginning as it needs.

Odd sizes and k = 1 only: on even sizes the rivals disagree (README.md of the repo), and OpenVINO truncates k to an integer.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """`shape` is batch, channels, height, width, whatever the layout; it lies in memory as `layout` says."""

    id: str
    group: str
    name: str
    shape: tuple
    layout: str = "nchw"
    size: int = 5
    beta: float = 0.75
    k: float = 1.0
    region: str = "across"  # or "within": over height and width

    @property
    def taps(self):
        """What alpha is divided by."""
        return self.size if self.region == "across" else self.size**2

    @property
    def alpha(self):
        # alpha over its divisor is 1e-4: with values up to 100, y/x is then about 0.8.
        return 1e-4 * self.taps

    @property
    def elements(self):
        batch, channels, height, width = self.shape
        return batch * channels * height * width

    def line(self):
        """The case as the workers read it."""
        numbers = [*self.shape, self.size, repr(self.alpha), repr(self.beta), repr(self.k), self.region]
        return " ".join(str(part) for part in [self.id, self.layout, *numbers])


def parse(words):
    """The case of a worker's line: id, layout, shape, size, alpha, beta, k, region; and its alpha, which is not a field."""
    identity, layout = words[:2]
    shape = tuple(int(word) for word in words[2:6])
    size, alpha, beta, k = int(words[6]), float(words[7]), float(words[8]), float(words[9])
    return Case(identity, "", "", shape, layout, size, beta, k, words[10]), alpha


def _cases():
    image, batch = (1, 96, 55, 55), (64, 96, 55, 55)
    group = "In cache, channels first (1×96×55×55)"
    yield Case("alexnet", group, "size 5, beta 0.75", image)
    yield Case("size3", group, "size 3", image, size=3)
    yield Case("size7", group, "size 7", image, size=7)
    yield Case("beta05", group, "beta 0.5", image, beta=0.5)
    yield Case("beta1", group, "beta 1", image, beta=1.0)
    yield Case("beta06", group, "beta 0.6", image, beta=0.6)
    yield Case("channels60", group, "60 channels", (1, 60, 55, 55))

    group = "In cache, channels last (1×55×55×C)"
    for channels in (64, 96, 256):
        yield Case(f"last{channels}", group, f"C = {channels}", (1, channels, 55, 55), "nhwc")
    yield Case("last_channels60", group, "C = 60", (1, 60, 55, 55), "nhwc")
    yield Case("last_size3", group, "C = 96, size 3", image, "nhwc", size=3)
    yield Case("last_beta1", group, "C = 96, beta 1", image, "nhwc", beta=1.0)
    yield Case("last_beta06", group, "C = 96, beta 0.6", image, "nhwc", beta=0.6)

    group = "In cache, within a channel"
    for size in (3, 9, 31):
        yield Case(f"within{size}", group, f"1×96×56×56, {size}×{size}", (1, 96, 56, 56), size=size, region="within")
    yield Case("within_zf", group, "Faster-RCNN ZF: 1×96×112×112, 3×3", (1, 96, 112, 112), size=3, region="within")
    yield Case("within_last", group, "1×56×56×96, 3×3", (1, 96, 56, 56), "nhwc", size=3, region="within")

    group = "Beyond the caches"
    yield Case("batch55", group, "64×96×55×55", batch)
    yield Case("batch56", group, "64×96×56×56", (64, 96, 56, 56))
    yield Case("last_batch", group, "64×55×55×96, channels last", batch, "nhwc")

    # Next to nothing to compute: what is left is the call. 16 channels, which oneDNN's fast paths need.
    yield Case("call", "What a call costs", "1×16×1×1, **ns per call**", (1, 16, 1, 1))


CASES = list(_cases())
