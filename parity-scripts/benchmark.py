"""PyTorch's half of the side-by-side benchmark in tests/Embedding.Wrapper.Benchmarks.

Prints PyTorch's version, then answers each case (a line of JSON on standard input) with the fastest times in microseconds. The cases
are those of LookupCase.cs, StepCase.cs, NeighborCase.cs and LoadCase.cs. Libraries that are not installed are left out.
"""

import ctypes
import json
import sys
import time
import warnings

import torch

BATCHES = 20


def lookup(case):
    embedding = torch.nn.Embedding(case["rows"], case["width"])
    batches = [torch.randint(0, case["rows"], (case["batch"],)) for _ in range(BATCHES)]
    out = torch.empty(case["batch"], case["width"])
    run = 1000 // case["batch"] + BATCHES if case["batch"] < 1000 else BATCHES

    def fastest(look):
        best = float("inf")
        for _ in range(case["rounds"]):
            start = time.perf_counter()
            for i in range(run):
                look(batches[i % BATCHES])
            best = min(best, (time.perf_counter() - start) * 1e6 / run)
        return best

    with torch.no_grad():
        return {"module": fastest(embedding),
                "out": fastest(lambda batch: torch.index_select(embedding.weight, 0, batch, out=out))}


def step(case):
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


def neighbors(case):
    try:
        import gensim
        import numpy
    except ImportError:
        return {}
    with open("/proc/self/maps", encoding="utf-8") as maps:  # other BLAS libraries have one thread, or take it from the environment
        for path in {line.split()[-1] for line in maps if "openblas" in line}:
            ctypes.CDLL(path).openblas_set_num_threads(case["threads"])
    vectors = gensim.models.KeyedVectors(case["width"])
    table = numpy.random.default_rng(1).standard_normal((case["rows"], case["width"]), dtype=numpy.float32)
    vectors.add_vectors([f"word{i}" for i in range(case["rows"])], table)
    vectors.most_similar("word0")  # computes the norms
    best = float("inf")
    for i in range(case["rounds"]):
        start = time.perf_counter()
        vectors.most_similar(f"word{i}")
        best = min(best, (time.perf_counter() - start) * 1e6)
    return {"gensim": best}


def load(case):
    path = case["path"]

    def with_loadtxt():
        import numpy
        numpy.loadtxt(path, dtype=numpy.float32, comments=None, skiprows=1, usecols=range(1, 101), encoding="utf-8")

    def with_gensim():
        import gensim
        gensim.models.KeyedVectors.load_word2vec_format(path, binary=case["format"] == "binary")

    def with_safetensors():
        import safetensors
        with safetensors.safe_open(path, framework="pt") as file:
            return file.get_slice("weight")[-1:]

    loaders = {"text": {"loadtxt": with_loadtxt, "gensim": with_gensim}, "binary": {"gensim": with_gensim},
               "safetensors": {"safetensors": with_safetensors}}
    times = {}
    for name, loader in loaders[case["format"]].items():
        try:
            loader()  # once for the imports
        except ImportError:
            continue
        start = time.perf_counter()
        loader()
        times[name] = (time.perf_counter() - start) * 1e6
    return times


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(torch.__version__, flush=True)
    for line in sys.stdin:
        case = json.loads(line)
        torch.set_num_threads(case["threads"])
        print(json.dumps({"lookup": lookup, "step": step, "neighbors": neighbors, "load": load}[case["kind"]](case)), flush=True)
