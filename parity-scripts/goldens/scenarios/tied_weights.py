"""A weight that the layer shares with another module, before and after conversions."""

import itertools

from cases import told
from steps import Scenario, do
from values import indices, value

ABOUT = "A tied weight is trained through both modules. `to` and a module that takes another weight leave the layer's numbers alone."

# Small multiples of 1/4: every product and sum is exact, in whatever order a library adds.
TABLE = [[0.25, 0.5, -0.25], [0.5, -0.5, 0.75], [-0.75, 0.25, 1], [1, -0.25, 0.5]]


def tied(layer_first, layer_takes, **options):
    """A table "m" and a linear layer "l" that share a weight, in the container "s"."""
    return [
        do.tensor("w", value("float32", TABLE)), do.from_pretrained("m", "w", freeze=False, **options), do.linear("l", 3, 4),
        *([do.set_weight("l", "w"), do.set_weight("m", "l.weight")] if layer_takes else [do.set_weight("l", "m.weight")]),
        do.sequential("s", ["m", "l"] if layer_first else ["l", "m"])]


def train(steps=3):
    """Each step adds the gradients of both modules. The learning rate is a power of two."""
    step = [do.forward("m", "i", "y"), do.forward("l", "y", "z"), do.op("sum", ["z"], "t", gives=True), do.backward("t"),
            do.show("m.weight.grad"), do.step("o"), do.show("m.weight"), do.show("l.weight"), do.zero_grad("m")]
    return [do.tensor("i", indices([1, 3, 1])), *step * steps]


def moved():
    """After each move the line that ties again follows; in PyTorch it changes nothing."""
    for layer_first, layer_takes, dtype in itertools.product((True, False), (True, False), ("float32", "float64", "bfloat16")):
        order = f"{'layer' if layer_first else 'linear'} first, {'layer' if layer_takes else 'linear'} takes the weight"
        yield Scenario(f"{order}, all to {dtype}", "M1 M5", [
            *tied(layer_first, layer_takes), do.to("s", dtype), do.show("m.weight"), do.show("l.weight"),
            do.set_weight("l", "m.weight"), do.sgd("o", ["m.weight"], 0.25), *train()])
    for layer_takes, dtype in itertools.product((True, False), ("float64", "bfloat16")):
        name = f"{'layer' if layer_takes else 'linear'} takes the weight"
        yield Scenario(f"{name}, the linear layer alone to {dtype}, then the layer", "M1 M5", [
            *tied(True, layer_takes), do.to("l", dtype), do.to("m", dtype), do.show("m.weight"),
            do.set_weight("l", "m.weight"), do.sgd("o", ["m.weight"], 0.25), *train()])
        yield Scenario(f"{name}, the layer alone to {dtype}", "M1 M5", [
            *tied(True, layer_takes), do.to("m", dtype), do.show("l.weight"), do.sgd("o", ["m.weight"], 0.25), *train()])
    for layer_first in (True, False):
        yield Scenario(f"optimizer made before all go to float64, {'layer' if layer_first else 'linear'} first", "M1 M5", [
            *tied(layer_first, False), do.sgd("o", ["m.weight"], 0.25), do.to("s", "float64"),
            do.set_weight("l", "m.weight"), *train()])
        yield Scenario(f"gradients go along to float64, {'layer' if layer_first else 'linear'} first", "M1 M5", [
            *tied(layer_first, False), *train(1)[:6], do.to("s", "float64"), do.show("m.weight.grad"), do.show("m.weight")])


def parted():
    for layer_takes, options in itertools.product((True, False), ({}, {"padding_idx": 3})):
        yield Scenario(
            f"another weight for the linear layer, the {'layer' if layer_takes else 'linear layer'} had taken it{told(options)}", "M1 M15", [
                *tied(False, layer_takes, **options), do.tensor("v", value("float32", [[1, 0, 1]] * 4)), do.set_weight("l", "v"),
                do.show("m.weight"), do.sgd("o", ["m.weight", "l.weight"], 0.25), *train()])
    for dtype in ("float32", "float64", "bfloat16"):
        yield Scenario(f"two layers share a weight, {dtype}", "M1 M5 M15", [
            do.tensor("w", value("float32", TABLE)), do.from_pretrained("m", "w", freeze=False), do.from_pretrained("n", "w"),
            do.set_weight("n", "m.weight"), do.to("m", dtype), do.show("n.weight"), do.sgd("o", ["n.weight"], 0.25),
            do.tensor("i", indices([1, 3, 1])),
            *[do.forward("m", "i", "y"), do.forward("n", "i", "z"), do.op("mul", ["y", "z"], "p"), do.op("sum", ["p"], "t"),
              do.backward("t"), do.step("o"), do.show("m.weight"), do.show("n.weight"), do.zero_grad("n")] * 3])


def scenarios():
    yield from moved()
    yield from parted()
