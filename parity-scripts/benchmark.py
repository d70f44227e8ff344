"""PyTorch's half of the side-by-side benchmark in tests/Embedding.Wrapper.Benchmarks.

Prints the versions that it uses, then answers each case (a line of JSON on standard input) with the fastest times in microseconds. The
cases are those of LookupCase.cs, BagCase.cs, StepCase.cs, NeighborCase.cs and LoadCase.cs. Libraries that are not installed are left out.
"""

import ctypes
import importlib
import json
import sys
import time
import warnings

import torch

BATCHES = 20
WARM_UP = 0.02  # seconds: see RandomRows.cs


def versions():
    names = [f"PyTorch {torch.__version__}"]
    for name in ("numpy", "gensim", "safetensors"):
        try:
            names.append(f"{name} {importlib.import_module(name).__version__}")
        except ImportError:
            names.append(f"no {name}")
    return ", ".join(names)


def random_rows(case, count, ways):
    """Times look-ups of random rows: other rows in each call ("fresh"), and the same ones again and again ("repeated")."""
    calls = 1000 // count + BATCHES if count < 1000 else BATCHES  # a short look-up is timed in runs
    best = {}
    with torch.no_grad():
        for _ in range(case["rounds"]):
            for name, look in ways.items():
                warm_up = torch.randint(0, case["rows"], (count,))
                for mode in ("fresh", "repeated"):
                    batches = [warm_up] if mode == "repeated" else [torch.randint(0, case["rows"], (count,)) for _ in range(BATCHES)]
                    start = time.perf_counter()
                    while time.perf_counter() < start + WARM_UP:
                        look(warm_up)
                    start = time.perf_counter()
                    for i in range(calls):
                        look(batches[i % len(batches)])
                    keep_fastest(best, f"{mode} {name}", (time.perf_counter() - start) / calls)
    return best


def lookup(case):
    embedding = torch.nn.Embedding(case["rows"], case["width"])
    out = torch.empty(case["batch"], case["width"])
    return random_rows(case, case["batch"], {
        "module": embedding, "out": lambda indices: torch.index_select(embedding.weight, 0, indices, out=out)})


def bag(case):
    bags, length = case["bags"], case["length"]
    weight = torch.randn(case["rows"], case["width"])
    offsets = torch.arange(0, bags * length, length)
    return random_rows(case, bags * length, {
        "function": lambda indices: torch.nn.functional.embedding_bag(indices, weight, offsets, mode="sum"),
        "chain": lambda indices: torch.nn.functional.embedding(indices.view(bags, length), weight).sum(1)})


def step(case):
    """Keys: the parts of a training round, the whole round, and gradient.coalesce() by itself."""
    embedding = torch.nn.Embedding(case["rows"], case["width"], sparse=True)
    optimizer = getattr(torch.optim, case["optimizer"])(embedding.parameters(), lr=1e-3)
    batches = [torch.randint(0, case["rows"], (case["batch"],)) for _ in range(BATCHES)]
    upstream = torch.randn(case["batch"], case["width"])
    best = {}
    for i in range(2 * case["rounds"]):
        times = [time.perf_counter()]
        optimizer.zero_grad(set_to_none=True)
        times.append(time.perf_counter())
        found = embedding(batches[i % BATCHES])
        times.append(time.perf_counter())
        found.backward(upstream)
        del found
        times.append(time.perf_counter())
        optimizer.step()
        times.append(time.perf_counter())
        embedding.weight.grad.coalesce()
        times.append(time.perf_counter())
        if i < case["rounds"]:  # warm-up
            continue
        for part, (start, end) in zip(("zero_grad", "forward", "backward", "step", "coalesce"), zip(times, times[1:])):
            keep_fastest(best, part, end - start)
        keep_fastest(best, "round", times[4] - times[0])
    return best


def keep_fastest(best, name, seconds):
    best[name] = min(best.get(name, float("inf")), seconds * 1e6)


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
    times = []
    for i in range(case["rounds"]):
        start = time.perf_counter()
        vectors.most_similar(f"word{i}")
        times.append((time.perf_counter() - start) * 1e6)
    return {"fastest": min(times), "median": sorted(times)[len(times) // 2]}


def load(case):
    path = case["path"]

    def with_loadtxt():
        import numpy
        numpy.loadtxt(path, dtype=numpy.float32, comments=None, skiprows=1, usecols=range(1, 101), encoding="utf-8")

    def line_by_line():
        import numpy
        with open(path, encoding="utf-8") as file:
            words, width = map(int, next(file).split())
            table = numpy.empty((words, width), dtype=numpy.float32)
            for i, line in enumerate(file):
                table[i] = numpy.array(line.split(" ")[1:], dtype=numpy.float32)

    def with_gensim():
        import gensim
        gensim.models.KeyedVectors.load_word2vec_format(path, binary=case["format"] == "binary")

    def with_safetensors():
        import safetensors
        with safetensors.safe_open(path, framework="pt") as file:
            return file.get_slice("weight")[-1:]

    loaders = {"text": {"numpy": line_by_line, "loadtxt": with_loadtxt, "gensim": with_gensim}, "binary": {"gensim": with_gensim},
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
    print(versions(), flush=True)
    for line in sys.stdin:
        case = json.loads(line)
        torch.set_num_threads(case["threads"])
        print(json.dumps({"lookup": lookup, "bag": bag, "step": step, "neighbors": neighbors, "load": load}[case["kind"]](case)), flush=True)
