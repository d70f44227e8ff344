"""PyTorch's half of the side-by-side benchmark in tests/Embedding.Wrapper.Benchmarks.

Prints PyTorch's version, then answers each case (a line of JSON on standard input) with the fastest round and the fastest
optimizer step in microseconds. The work is that of StepCase.cs.
"""

import json
import sys
import time
import warnings

import torch

BATCHES = 20


def measure(case):
    torch.set_num_threads(case["threads"])
    embedding = torch.nn.Embedding(case["rows"], case["width"], sparse=True)
    optimizer = getattr(torch.optim, case["optimizer"])(embedding.parameters(), lr=1e-3)
    batches = [torch.randint(0, case["rows"], (case["batch"],)) for _ in range(BATCHES)]
    upstream = torch.randn(case["batch"], case["width"])
    best = {"round": float("inf"), "step": float("inf")}
    for i in range(case["rounds"] + BATCHES):
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        embedding(batches[i % BATCHES]).backward(upstream)
        middle = time.perf_counter()
        optimizer.step()
        end = time.perf_counter()
        if i >= BATCHES:
            best["round"] = min(best["round"], (end - start) * 1e6)
            best["step"] = min(best["step"], (end - middle) * 1e6)
    return best


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(torch.__version__, flush=True)
    for line in sys.stdin:
        print(json.dumps(measure(json.loads(line))), flush=True)
