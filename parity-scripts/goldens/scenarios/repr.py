"""The text of a module."""

import itertools
import math

from cases import told
from steps import Scenario, do
from values import counting, ones

ABOUT = "repr(module) names the sizes and the options that are set, numbers in Python's shortest form."

NUMBERS = (1.0, 2.5, 0.1, 0.5, 1e-07, 1e-05, 0.0001, 0.00012345, 1000000000000000.0, 1e16, 12345678901234567.0, 1e22, 1e100,
           float("inf"), float("nan"), 1 / 3, 2 / 3, 123456.789, 5e-324, 1.7976931348623157e308, 100.0, 3.0, 0.0)
OPTIONS = {"padding_idx": 2, "max_norm": 2.0, "norm_type": 1.5, "scale_grad_by_freq": True, "sparse": True}


def every_combination():
    for count in range(len(OPTIONS) + 1):
        for names in itertools.combinations(OPTIONS, count):
            options = {name: OPTIONS[name] for name in names}
            yield Scenario(f"Embedding 4x3{told(options)}", "M7 M9", [do.embedding("m", 4, 3, **options), do.repr("m")])


def numbers():
    for name, sign in itertools.product(("max_norm", "norm_type"), (1, -1)):
        for number in (sign * number for number in NUMBERS if sign > 0 or not math.isnan(number)):
            yield Scenario(f"{name}={number}", "M7", [do.embedding("m", 4, 3, **{name: number}), do.repr("m")])


def padding():
    for rows, padding_idx in ((4, 0), (4, 3), (4, -1), (4, -4), (1, 0), (1, -1), (10, -3), (1000, 999)):
        yield Scenario(f"{rows} rows, padding_idx={padding_idx}", "M7", [
            do.embedding("m", rows, 3, padding_idx=padding_idx), do.repr("m")])


def sizes():
    for rows, columns in ((1, 1), (10, 3), (0, 3), (3, 0), (0, 0), (100000, 1), (2, 1000)):
        yield Scenario(f"Embedding({rows}, {columns})", "M7 E10", [do.embedding("m", rows, columns), do.repr("m")])


def what_it_does_not_say():
    """The text does not show the dtype, freezing, the mode, or the real shape of the weight."""
    for dtype in ("float64", "float16", "bfloat16"):
        yield Scenario(f"a {dtype} table", "M7", [do.embedding("m", 4, 3, dtype=dtype), do.repr("m")])
        yield Scenario(f"converted to {dtype}", "M7", [do.embedding("m", 4, 3), do.to("m", dtype), do.repr("m")])
    for freeze, options in itertools.product((True, False), ({}, {"padding_idx": -1}, {"max_norm": 1.0, "sparse": True})):
        yield Scenario(f"from_pretrained, {'frozen' if freeze else 'trained'}{told(options)}", "M7 P6", [
            do.tensor("w", counting(5, 2)), do.from_pretrained("m", "w", freeze=freeze, **options), do.repr("m")])
    yield Scenario("in evaluation", "M7", [do.embedding("m", 4, 3), do.eval("m"), do.repr("m")])
    yield Scenario("after its weight took another shape", "M7 F10", [
        do.embedding("m", 4, 3), do.tensor("w", ones([9, 5])), do.set_weight("m", "w"), do.repr("m")])


def nested():
    # The container's own text is TorchSharp's.
    for options in ({}, {"padding_idx": 0}, {"padding_idx": -1, "max_norm": 0.1, "norm_type": 1.0, "sparse": True}):
        yield Scenario(f"in a Sequential{told(options)}", "M7", [
            do.embedding("m", 4, 3, **options), do.sequential("s", ["m"]), do.repr("m")])


def scenarios():
    yield from every_combination()
    yield from numbers()
    yield from padding()
    yield from sizes()
    yield from what_it_does_not_say()
    yield from nested()
