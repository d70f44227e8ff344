"""The text of an EmbeddingBag."""

import itertools
import math

from bags import MODES
from cases import told
from steps import Scenario, do
from values import counting, ones

ABOUT = "repr(module) names the sizes, the options that are set, and always the mode; sparse and include_last_offset never."

NUMBERS = (1.0, 2.5, 0.1, 1e-07, 1e-05, 0.0001, 1000000000000000.0, 1e16, 1e22, float("inf"), float("nan"), 1 / 3, 123456.789, 5e-324,
           1.7976931348623157e308, 2.0, 0.0)
OPTIONS = {"max_norm": 2.0, "norm_type": 1.5, "scale_grad_by_freq": True, "sparse": True, "include_last_offset": True, "padding_idx": 2}


def every_combination():
    modes = itertools.cycle((None, *MODES))
    for count in range(len(OPTIONS) + 1):
        for names in itertools.combinations(OPTIONS, count):
            mode = next(modes)
            options = {name: OPTIONS[name] for name in names}
            if mode:
                options["mode"] = mode
            yield Scenario(f"EmbeddingBag 4x3{told(options)}", "B11 B12 B9", [do.embedding_bag("m", 4, 3, **options), do.repr("m")])
    yield Scenario("the page's options", "B12", [
        do.embedding_bag("m", 10, 3, max_norm=0.1, norm_type=1.5, scale_grad_by_freq=True, mode="sum", padding_idx=2), do.repr("m")])


def numbers():
    for name, sign in itertools.product(("max_norm", "norm_type"), (1, -1)):
        for number in (sign * number for number in NUMBERS if sign > 0 or not math.isnan(number)):
            yield Scenario(f"{name}={number}", "B11 M7", [do.embedding_bag("m", 4, 3, **{name: number}), do.repr("m")])


def sizes():
    for rows, columns in ((1, 1), (10, 3), (0, 3), (3, 0), (0, 0), (100000, 1)):
        yield Scenario(f"EmbeddingBag({rows}, {columns})", "B11", [do.embedding_bag("m", rows, columns), do.repr("m")])
    for rows, padding_idx in ((4, 0), (4, 3), (4, -1), (4, -4), (1, -1)):
        yield Scenario(f"{rows} rows, padding_idx={padding_idx}", "B11 B6", [
            do.embedding_bag("m", rows, 3, padding_idx=padding_idx), do.repr("m")])


def what_it_does_not_say():
    for dtype in ("float64", "float16", "bfloat16"):
        yield Scenario(f"a {dtype} table", "B11", [do.embedding_bag("m", 4, 3, dtype=dtype), do.repr("m")])
    for freeze, mode in itertools.product((True, False), MODES):
        yield Scenario(f"from_pretrained, {'frozen' if freeze else 'trained'}, mode={mode}", "B11 B13", [
            do.tensor("w", counting(5, 2)), do.bag_from_pretrained("m", "w", freeze=freeze, mode=mode), do.repr("m")])
    yield Scenario("in evaluation", "B11", [do.embedding_bag("m", 4, 3), do.eval("m"), do.repr("m")])
    yield Scenario("after its weight took another shape", "B78 B11", [
        do.embedding_bag("m", 4, 3), do.tensor("w", ones([9, 5])), do.set_weight("m", "w"), do.repr("m")])


def scenarios():
    yield from every_combination()
    yield from numbers()
    yield from sizes()
    yield from what_it_does_not_say()
