"""Times torch's LocalResponseNorm and this package's, alternating, on one thread: a call's overhead, and large tensors.

    python3 integrations/python/environment.py --release
    target/lrn-jit-python/venv/bin/python integrations/python/benches/module.py

Each number is the fastest of many runs; the two take turns, TURN runs each. What is timed is checked first. The overhead is the time
of a call of the module on a tensor of 80 elements, with everything: the module's call, the operator, the new tensor.

A result is new memory. In the first run of a turn, after the other one has filled and freed its own, the allocator has given that
back to the system, and a result costs its page faults again; from the second on it does not. The last lines say how much that is.
"""

import argparse
import time

import torch
from torch import nn

import lrn_jit.torch as ours

SHAPE = (32, 64, 28, 28)
TURN = 5


def fastest(works, seconds, calls=1, turn=TURN):
    """Microseconds a call of each, in turns until the time is up."""
    best = dict.fromkeys(works, float("inf"))
    end = time.perf_counter() + seconds
    turns = 0
    while turns < 5 or time.perf_counter() < end:
        turns += 1
        for name, work in works.items():
            for _ in range(turn):
                start = time.perf_counter()
                for _ in range(calls):
                    work()
                best[name] = min(best[name], (time.perf_counter() - start) / calls * 1e6)
    return best


def modules():
    return {"torch": nn.LocalResponseNorm(5), "lrn_jit": ours.LocalResponseNorm(5)}


def works(x, kind):
    """The work to be timed of each module on a tensor."""
    x = x.detach().requires_grad_(kind in ("autograd", "backward"))
    made = {}
    for name, module in modules().items():
        if kind == "inference":

            def work(module=module):
                with torch.inference_mode():
                    module(x)
        elif kind == "backward":
            g = torch.ones_like(x)

            def work(module=module, g=g):
                torch.autograd.grad(module(x), x, g)
        else:

            def work(module=module):
                module(x)

        made[name] = work
    return made


def check(x):
    module, theirs = modules()["lrn_jit"], modules()["torch"]
    tolerance = max(1e-6, torch.finfo(x.dtype).eps)
    assert torch.allclose(module(x).double(), theirs(x.double()), rtol=tolerance, atol=0), "another result"


def line(label, best):
    theirs, mine = best["torch"], best["lrn_jit"]
    print(f"{label:46} {theirs:12.1f} {mine:12.1f} {theirs / mine:9.1f}×", flush=True)


def main():
    parser = argparse.ArgumentParser(description="Times torch's LocalResponseNorm and this package's.")
    parser.add_argument("--seconds", type=float, default=3, help="of each line (default 3)")
    parser.add_argument("--threads", type=int, default=1, help="of both (default 1)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {options.threads} thread(s), {nn.LocalResponseNorm(5)}, microseconds\n")
    print(f"{'':46} {'torch':>12} {'lrn_jit':>12} {'ratio':>10}")
    small, large = torch.randn(1, 5, 4, 4), torch.randn(SHAPE)
    for kind in ("no autograd", "autograd", "inference"):
        line(f"overhead, {kind}", fastest(works(small, kind), options.seconds, calls=200))
    last = large.contiguous(memory_format=torch.channels_last)
    for label, x in (("", large), (" channels_last", last)):
        check(x)
        line(f"{SHAPE}{label}", fastest(works(x, "no autograd"), options.seconds))
        line(f"{SHAPE}{label} with backward", fastest(works(x, "backward"), options.seconds))
    # Of rank 4 torch has halves on no CPU: ours against its float32.
    for dtype in (torch.float16, torch.bfloat16):
        half = large.to(dtype)
        check(half)
        pair = works(large, "no autograd") | {"lrn_jit": works(half, "no autograd")["lrn_jit"]}
        line(f"{SHAPE} {str(dtype)[6:]} to float32", fastest(pair, options.seconds))
    line(f"{SHAPE}, turns of one run", fastest(works(large, "no autograd"), options.seconds, turn=1))
    copy = {"torch": modules()["torch"], "copy": torch.clone}
    copy = {name: lambda work=work: work(large) for name, work in copy.items()}
    print(f"\na copy of {SHAPE} float32: {fastest(copy, 1)['copy']:.1f}, in turns of one run {fastest(copy, 1, turn=1)['copy']:.1f}")


if __name__ == "__main__":
    main()
