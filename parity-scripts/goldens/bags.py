"""The words of the bags' scenarios: how many indices there are, where the bags begin, and what is done with them."""

import collections

from cases import given, possible, shape_text, tensor, told
from steps import BAG_OPTIONS, do
from values import drawn, indices, ugly, value

MODES = ("sum", "mean", "max")
INDEX = ("int64", "int32")

# `offsets` is None where the indices are 2-D: then each row is a bag.
Bags = collections.namedtuple("Bags", "shape offsets")


def flat(count, *offsets):
    return Bags((count,), offsets)


def rows_of_bags(*shape):
    return Bags(shape, None)


# One bag; several; empty ones first, in between and last; single indices; no indices; no bags; more than 16 indices, from which
# on libtorch sorts them in an order of its own.
BAGS = (flat(4, 0), flat(6, 0, 1, 4), flat(5, 0, 0, 2, 2, 5), flat(3, 0, 1, 2), flat(0, 0, 0), flat(0), flat(19, 0, 8, 8, 17),
        rows_of_bags(2, 3), rows_of_bags(1, 4), rows_of_bags(3, 1), rows_of_bags(0, 3))

TABLE = [[0.1, 0.2], [0.3, -0.7], [1.1, 2.3], [-0.5, 0.9]]
GRADIENTS = [[0.1, 0.2], [5, 5], [0.3, 0.7]]
SEVEN, THREE_BAGS = [1, 2, 1, 3, 0, 2, 1], [0, 3, 3]
WEIGHTS = [0.1, 0.7, -0.3, 0.9, 1.1, 0.2, -0.6]


def count_of(bags):
    return bags.shape[0] if bags.offsets is None else len(bags.offsets)


def offsets_of(case):
    """With include_last_offset the number of indices is the last offset."""
    bags = case["bags"]
    return [*bags.offsets, bags.shape[0]] if case.get("include_last_offset") else list(bags.offsets)


def options_of(case):
    return given(case, *(name for name in BAG_OPTIONS if name in case))


def bags_text(case):
    """`int32 [6], int64 offsets [0, 1, 4], mode=sum, indices strided`."""
    bags = case["bags"]
    offsets = "" if bags.offsets is None else f", {case.get('offsets', 'int64')} offsets {offsets_of(case)}"
    layouts = {"table": case.get("table_layout"), "gradient": case.get("gradient"), "weights": case.get("weights_layout"),
               "indices": possible(case.get("index_layout"), bags.shape)}
    memory = "".join(f", {what} {layout}" for what, layout in layouts.items() if layout)
    return f"{case.get('index', 'int64')} {shape_text(bags.shape)}{offsets}{told(options_of(case))}{memory}"


def index_steps(rng, rows, case):
    """The tensors `i` and, for 1-D indices, `o`."""
    bags = case["bags"]
    steps = [tensor("i", drawn(rng, rows, bags.shape, case.get("index", "int64")), case.get("index_layout"))]
    if bags.offsets is not None:
        steps.append(tensor("o", indices(offsets_of(case), case.get("offsets", "int64")), case.get("offsets_layout")))
    return steps


def offsets_argument(bags):
    return {} if bags.offsets is None else {"offsets": "o"}


def needs_newer(case):
    """1.13.1 drops the last row of 2-D indices with include_last_offset, and then writes past the end of its result."""
    return bool(case.get("include_last_offset")) and case["bags"].offsets is None


def coarse(rng, shape, dtype="bfloat16", requires_grad=False):
    """Numbers of few bits: every sum of some of them is exact, so that no kernel has to round."""
    count = 1
    for size in shape:
        count *= size
    return value(dtype, [rng.randint(-8, 8) / 2 for _ in range(count)], shape, requires_grad)


def numbers(rng, shape, dtype, requires_grad=False):
    """The library's bfloat16 kernels break ties in two ways (B37), so bfloat16 has numbers that need no rounding."""
    return (coarse if dtype == "bfloat16" else ugly)(rng, shape, dtype, requires_grad)


def looked_up(index, offsets=None, as_="y", of="m", **options):
    """Given indices, and the look-up. Without offsets the indices must be nested."""
    steps = [do.tensor("i", index if isinstance(index, dict) else indices(index))]
    if offsets is None:
        return [*steps, do.forward(of, "i", as_, **options)]
    return [*steps, do.tensor("o", indices(offsets)), do.forward(of, "i", as_, offsets="o", **options)]


def backward(gradient, show="m.weight.grad"):
    return [do.tensor("g", gradient), do.backward("y", "g"), do.show(show)]
