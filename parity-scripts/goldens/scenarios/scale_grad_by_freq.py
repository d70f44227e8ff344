"""scale_grad_by_freq: each addition is divided by how often its index occurs."""

import itertools

from cases import SHAPES, TABLE_LAYOUTS, distinct, given, memory_text, pairwise, shape_text, tensor, told
from steps import Scenario, do
from values import ALL_FLOATS, counting, drawn, indices, ones, seeded, ugly, value

ABOUT = "With scale_grad_by_freq each gradient row is divided by the number of its index's occurrences in that one call."


def module(value_of_table, **options):
    return [do.tensor("w", value_of_table), do.from_pretrained("m", "w", freeze=False, scale_grad_by_freq=True, **options)]


def combinations():
    for case in pairwise(seeded("scale"), dtype=ALL_FLOATS, shape=(*SHAPES, (7,), (3, 3)), padding_idx=(None, 0, 2, -1),
                         index=("int64", "int32"), columns=(1, 3, 8), table_layout=TABLE_LAYOUTS,
                         index_layout=(None, "transposed", "strided", "expanded"),
                         gradient=(None, "transposed", "expanded")):
        options = given(case, "padding_idx")
        name = (f"{case['dtype']} 4x{case['columns']}; {case['index']} {shape_text(case['shape'])}{told(options)}"
                f"{memory_text(case)}")
        rng = seeded(name)
        gradient_shape = (*case["shape"], case["columns"])
        yield Scenario(name, "G5 G6 F16", [
            tensor("w", ugly(rng, (4, case["columns"]), case["dtype"]), case["table_layout"]),
            tensor("i", drawn(rng, 4, case["shape"], case["index"]), case["index_layout"]),
            do.from_pretrained("m", "w", freeze=False, scale_grad_by_freq=True, **options),
            do.forward("m", "i", "y"),
            tensor("g", ugly(rng, gradient_shape, case["dtype"]), case["gradient"]),
            do.backward("y", "g"),
            do.show("m.weight.grad"),
        ])


def functional():
    for dtype, padding in itertools.product(ALL_FLOATS, (None, 1, -1)):
        options = given({"padding_idx": padding}, "padding_idx")
        name = f"functional: {dtype}{told(options)}"
        rng = seeded(name)
        yield Scenario(name, "G5 G6 F8", [
            do.tensor("w", ugly(rng, (4, 3), dtype, requires_grad=True)),
            do.tensor("i", drawn(rng, 4, (6,))),
            do.functional("y", "i", "w", scale_grad_by_freq=True, **options),
            do.tensor("g", ugly(rng, (6, 3), dtype)),
            do.backward("y", "g"),
            do.show("w.grad"),
        ])


def counts():
    for dtype in ALL_FLOATS:
        yield Scenario(f"rows 1, 1, 1, 0, {dtype}", "G5", [
            *module(counting(4, 2, dtype)),
            do.tensor("i", indices([1, 1, 1, 2, 0, 0])),
            do.forward("m", "i", "y"),
            do.tensor("g", ones([6, 2], dtype)),
            do.backward("y", "g"),
            do.show("m.weight.grad"),
        ])
        yield Scenario(f"a third of 0.1 + 0.7 + 0.3, {dtype}", "G5 G2", [
            *module(counting(2, 1, dtype)),
            do.tensor("i", indices([0, 0, 0])),
            do.forward("m", "i", "y"),
            do.tensor("g", value(dtype, [[0.1], [0.7], [0.3]])),
            do.backward("y", "g"),
            do.show("m.weight.grad"),
        ])
    for dtype in ("float32", "float64"):
        for times in (2, 3, 5, 6, 7, 9, 10):
            name = f"{times} times one row, {dtype}"
            yield Scenario(name, "G5", [
                *module(counting(3, 3, dtype)),
                do.tensor("i", indices([2] * times)),
                do.forward("m", "i", "y"),
                do.tensor("g", ugly(seeded(name), (times, 3), dtype)),
                do.backward("y", "g"),
                do.show("m.weight.grad"),
            ])


def calls():
    yield Scenario("each call counts for itself", "G6", [
        *module(counting(3, 2)),
        do.tensor("i", indices([1, 1])), do.tensor("j", indices([1])),
        do.forward("m", "i", "y"), do.forward("m", "j", "z"),
        do.op("sum", ["y"], "a"), do.backward("a"), do.show("m.weight.grad"),
        do.op("sum", ["z"], "b"), do.backward("b"), do.show("m.weight.grad"),
    ])
    yield Scenario("two calls in one loss", "G6", [
        *module(counting(3, 2)),
        do.tensor("i", indices([1, 1, 0])), do.tensor("j", indices([1, 2, 2])),
        do.forward("m", "i", "y"), do.forward("m", "j", "z"),
        do.op("add", ["y", "z"], "t", gives=True), do.op("sum", ["t"], "s"),
        do.backward("s"), do.show("m.weight.grad"),
    ])
    for padding in (0, 1, -1):
        yield Scenario(f"the padding row is counted, not added, padding_idx={padding}", "G6 G4", [
            *module(counting(3, 2), padding_idx=padding),
            do.tensor("i", indices([[0, 1, 2], [0, 1, 2]])),
            do.forward("m", "i", "y"),
            do.op("sum", ["y"], "s"), do.backward("s"), do.show("m.weight.grad"),
        ])
    for padding in (None, 1):
        options = given({"padding_idx": padding}, "padding_idx")
        yield Scenario(f"a frozen table has no gradient{told(options)}", "G26 X25", [
            do.tensor("w", counting(3, 2)),
            do.from_pretrained("m", "w", scale_grad_by_freq=True, **options),
            do.tensor("i", indices([1, 1])),
            do.forward("m", "i", "y"), do.op("sum", ["y"], "s"), do.backward("s", raises=True),
            do.show("m.weight.grad"),
        ])


def scenarios():
    yield from distinct(combinations())
    yield from functional()
    yield from counts()
    yield from calls()
