"""Training that goes on after to(dtype). The optimizer's state keeps its dtype, and the weight and its gradients have the new one."""

import itertools

from cases import told
from steps import Scenario, do
from training import drawn_batches, optimizer, table, trained
from values import ALL_FLOATS, seeded, ugly

ABOUT = "Two steps, to(dtype), and two more: every result is rounded to the dtype to which PyTorch rounds it."

DENSE = (
    ("own_sgd", {"lr": 0.1, "momentum": 0.9}),
    ("own_sgd", {"lr": 0.1, "momentum": 0.5, "dampening": 0.25, "maximize": True}),
    ("own_sgd", {"lr": 0.1, "momentum": 0.7, "nesterov": True}),
    ("own_sgd", {"lr": 0.1, "momentum": 0.7, "weight_decay": 0.3, "nesterov": True}),
    ("adagrad", {"lr": 0.1, "eps": 0.001}),  # 1e-10 is 0 in float16, where 0 / 0 is a NaN with other bits in libtorch 2.10
    ("adagrad", {"lr": 0.1, "lr_decay": 0.5, "weight_decay": 0.3, "initial_accumulator_value": 0.7}),
)
SPARSE = (
    ("own_sgd", {"lr": 0.1}),
    ("own_sgd", {"lr": 0.1, "momentum": 0.9}),
    ("sparse_adam", {"lr": 0.1}),
    ("sparse_adam", {"lr": 0.1, "beta1": 0.5, "beta2": 0.25, "eps": 0.001, "maximize": True}),
    ("adagrad", {"lr": 0.1}),
    ("adagrad", {"lr": 0.1, "lr_decay": 0.5, "initial_accumulator_value": 0.7, "maximize": True}),
)


def scenarios():
    for sparse, (kind, options) in [(False, each) for each in DENSE] + [(True, each) for each in SPARSE]:
        for source, target in itertools.permutations(ALL_FLOATS, 2):
            if sparse and "momentum" in options and "float16" in (source, target):
                continue  # PyTorch cannot add two sparse float16 tensors
            name = f"{kind}, {'sparse' if sparse else 'dense'}, {source} to {target}{told(options)}"
            rng = seeded(name)
            before, after = (drawn_batches(rng, 4, 3, (4, 2), dtype) for dtype in (source, target))
            yield Scenario(name, "M5", [
                *table(ugly(rng, (4, 3), source), sparse=sparse), optimizer(kind, options), *trained(kind, before),
                do.to("m", target), *trained(kind, after)])
