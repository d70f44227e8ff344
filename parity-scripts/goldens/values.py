"""The tensors that scenarios start from, as the goldens write them."""

import math
import random

from encoding import FLOATS, rows_of, text_of

ALL_FLOATS = tuple(FLOATS)


def seeded(*key):
    """A generator that depends only on the scenario it is for, so that a new scenario does not change the numbers of others."""
    return random.Random("/".join(map(str, key)))


def flattened(nested):
    return [number for entry in nested for number in flattened(entry)] if isinstance(nested, (list, tuple)) else [nested]


def shape_of(nested):
    return [len(nested), *(shape_of(nested[0]) if nested else [])] if isinstance(nested, (list, tuple)) else []


def value(dtype, nested, shape=None, requires_grad=False):
    """A tensor from nested lists of numbers, or from a flat list if `shape` is given."""
    shape = list(shape_of(nested) if shape is None else shape)
    texts = [text_of(number, dtype) for number in flattened(nested)]
    assert len(texts) == math.prod(shape), (nested, shape)
    flag = {"requires_grad": True} if requires_grad else {}
    return {"dtype": dtype, "shape": shape, **flag, "data": rows_of(texts, shape)}


def arange(dtype, shape, start=0, step=1, requires_grad=False):
    """A short form for tensors that are too big to write out: start, start + step, ..."""
    flag = {"requires_grad": True} if requires_grad else {}
    return {"dtype": dtype, "shape": list(shape), **flag, "arange": [start, step]}


def runs(dtype, shape, *runs, requires_grad=False):
    """A short form for big tensors: runs such as `(1000, "1e-09")` or `(500, "0 1")`, one after the other."""
    flag = {"requires_grad": True} if requires_grad else {}
    assert sum(times * len(texts.split()) for times, texts in runs) == math.prod(shape), (shape, runs)
    return {"dtype": dtype, "shape": list(shape), **flag, "runs": [list(run) for run in runs]}


def sparse(indices, values, shape, coalesced=False, requires_grad=False):
    """A sparse tensor. `indices` are int64 of shape [sparse dimensions, n]; `values` have the shape [n, the dense dimensions]."""
    flag = {"requires_grad": True} if requires_grad else {}
    return {"layout": "sparse_coo", "dtype": values["dtype"], "shape": list(shape), **flag, "coalesced": coalesced,
            "indices": indices, "values": values}


def indices(nested, dtype="int64", shape=None):
    return value(dtype, nested, shape)


def counting(rows, columns, dtype="float32", requires_grad=False):
    """A table of 0, 1, 2, ..., in which a reader sees at once which row a result came from."""
    return value(dtype, list(range(rows * columns)), [rows, columns], requires_grad)


def ones(shape, dtype="float32"):
    return value(dtype, [1] * math.prod(shape), shape)


def ugly_number(rng):
    """A number with a full mantissa, so that sums round at every step. Some are of another order of magnitude."""
    return rng.uniform(-3, 3) * rng.choice((1, 1, 1, 0.01, 30))


def ugly(rng, shape, dtype="float32", requires_grad=False):
    return value(dtype, [ugly_number(rng) for _ in range(math.prod(shape))], shape, requires_grad)


def drawn(rng, rows, shape, dtype="int64"):
    """Random indices into a table of `rows` rows."""
    return value(dtype, [rng.randrange(rows) for _ in range(math.prod(shape))], shape)
