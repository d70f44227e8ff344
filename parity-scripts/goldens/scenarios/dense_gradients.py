"""The dense gradient of the weight."""

import itertools

from cases import SHAPES, TABLE_LAYOUTS, distinct, given, memory_text, pairwise, shape_text, tensor, told
from steps import Scenario, do
from values import ALL_FLOATS, counting, drawn, indices, ones, seeded, ugly, value

ABOUT = "The dense gradient adds each output row's gradient to its table row, one after the other, in the indices' order."

INDEX = ("int64", "int32")
GRADIENTS = (None, "transposed", "strided", "expanded", "expanded_columns", "narrowed")


def backward_with(gradient):
    return [do.forward("m", "i", "y"), gradient, do.backward("y", "g"), do.show("m.weight.grad")]


def combinations():
    for case in pairwise(seeded("dense"), dtype=ALL_FLOATS, shape=(*SHAPES, (8,)), padding_idx=(None, 0, 2, -1), index=INDEX,
                         table_layout=TABLE_LAYOUTS, index_layout=(None, "transposed", "strided", "narrowed"),
                         gradient=GRADIENTS):
        options = given(case, "padding_idx")
        name = f"{case['dtype']}; {case['index']} {shape_text(case['shape'])}{told(options)}{memory_text(case)}"
        rng = seeded(name)
        yield Scenario(name, "G1 G2 G4 G28 G29", [
            tensor("w", ugly(rng, (4, 3), case["dtype"]), case["table_layout"]),
            tensor("i", drawn(rng, 4, case["shape"], case["index"]), case["index_layout"]),
            do.from_pretrained("m", "w", freeze=False, **options),
            *backward_with(tensor("g", ugly(rng, (*case["shape"], 3), case["dtype"]), case["gradient"])),
        ])


def functional():
    for case in pairwise(seeded("dense functional"), dtype=ALL_FLOATS, shape=SHAPES, index=INDEX,
                         padding_idx=(None, 0, 3, -1, -4), table_layout=TABLE_LAYOUTS):
        options = given(case, "padding_idx")
        name = f"functional: {case['dtype']}; {case['index']} {shape_text(case['shape'])}{told(options)}{memory_text(case)}"
        rng = seeded(name)
        yield Scenario(name, "G1 G4 F8", [
            tensor("w", ugly(rng, (4, 3), case["dtype"], requires_grad=True), case["table_layout"]),
            do.tensor("i", drawn(rng, 4, case["shape"], case["index"])),
            do.functional("y", "i", "w", **options),
            do.tensor("g", ugly(rng, (*case["shape"], 3), case["dtype"])),
            do.backward("y", "g"),
            do.show("w.grad"),
        ])


def order_of_the_sum():
    columns = {
        "float16": ([2048, 1, 1], [1, 1, 2048]),
        "bfloat16": ([256, 1, 1], [1, 1, 256]),
        "float32": ([1e8, 1, -1e8], [1e8, -1e8, 1]),
        "float64": ([1e17, 1, -1e17], [1e17, -1e17, 1]),
    }
    for dtype, (a, b) in columns.items():
        for index in ([1, 1, 1], [[1], [1], [1]]):
            shape = [3, 2] if index == [1, 1, 1] else [3, 1, 2]
            yield Scenario(f"rounding after each addition, {dtype} {shape_text(shape)}", "G2", [
                do.tensor("w", counting(2, 2, dtype)),
                do.tensor("i", indices(index)),
                do.from_pretrained("m", "w", freeze=False),
                *backward_with(do.tensor("g", value(dtype, [number for pair in zip(a, b) for number in pair], shape))),
            ])
    for dtype in ALL_FLOATS:
        yield Scenario(f"one negative zero gives a positive zero, {dtype}", "G2", [
            do.tensor("w", counting(3, 2, dtype)),
            do.tensor("i", indices([1, 2, 2])),
            do.from_pretrained("m", "w", freeze=False),
            *backward_with(do.tensor("g", value(dtype, [["-0", "-0"], ["-0", 0], ["-0", "-0"]]))),
        ])


def special_gradients():
    for dtype, padding in itertools.product(ALL_FLOATS, (None, 1)):
        options = {} if padding is None else {"padding_idx": padding}
        yield Scenario(f"nan and infinite gradients, {dtype}{told(options)}", "G4 G2", [
            do.tensor("w", counting(4, 2, dtype)),
            do.tensor("i", indices([1, 2, 3, 1])),
            do.from_pretrained("m", "w", freeze=False, **options),
            *backward_with(do.tensor("g", value(dtype, [["nan", "inf"], ["inf", "-inf"], [1, "nan"], [2, 3]]))),
        ])


def summed():
    """In `sum().backward()` the incoming gradient is one number, expanded."""
    for dtype, shape, padding in itertools.product(("float32", "float64"), SHAPES, (None, 1)):
        options = {} if padding is None else {"padding_idx": padding}
        name = f"sum of {dtype} {shape_text(shape)}{told(options)}"
        yield Scenario(name, "G1 G27", [
            do.tensor("w", counting(4, 3, dtype)),
            do.tensor("i", drawn(seeded(name), 4, shape)),
            do.from_pretrained("m", "w", freeze=False, **options),
            do.forward("m", "i", "y"),
            do.op("sum", ["y"], "s", gives=True),
            do.backward("s"),
            do.show("m.weight.grad"),
        ])


def upstream_checks():
    yield Scenario("rows 1, 2, 1, 0", "G1", [
        do.tensor("w", counting(4, 3)),
        do.tensor("i", indices([[1, 2], [1, 0]])),
        do.from_pretrained("m", "w", freeze=False),
        *backward_with(do.tensor("g", ones([2, 2, 3]))),
    ])
    for padding in (0, 8, -2, -10):
        yield Scenario(f"padded rows neither count nor learn, padding_idx={padding}", "U14 G4", [
            do.seed(0),
            do.embedding("m", 10, 2, padding_idx=padding),
            do.tensor("i", indices([[padding % 10, 2, 4, padding % 10], [padding % 10, 5, 8, 1]])),
            do.forward("m", "i", "y"),
            do.op("sum", ["y"], "s", gives=True),
            do.backward("s"),
            do.show("m.weight.grad"),
            do.op("add", ["m.weight", "m.weight.grad"], "after", gives=True),
        ])
    for padded in (1, 2, 20):
        yield Scenario(f"{padded} padded entries among others leave the padding row", "U14 G4", [
            do.tensor("w", counting(5, 2)),
            do.tensor("i", indices([1] + [0] * padded + [2, 4, 2])),
            do.from_pretrained("m", "w", freeze=False, padding_idx=0),
            do.forward("m", "i", "y"),
            do.op("sum", ["y"], "s"),
            do.backward("s"),
            do.op("add", ["m.weight", "m.weight.grad"], "after", gives=True),
        ])
    yield Scenario("the padding row is zero, is overwritten, and is returned as it is", "U14 F7", [
        do.embedding("m", 4, 2, padding_idx=-2),
        do.tensor("i", indices([2, 2])),
        do.forward("m", "i", "y"),
        do.tensor("row", value("float32", [9, -9])),
        do.write("m.weight", 2, "row"),
        do.forward("m", "i", "z"),
        do.op("sum", ["z"], "s"),
        do.backward("s"),
        do.show("m.weight.grad"),
    ])


def autograd_grad():
    for dtype, index, padding in itertools.product(("float32", "bfloat16"), ([1, 3, 1], []), (None, 3)):
        options = {} if padding is None else {"padding_idx": padding}
        yield Scenario(f"autograd.grad, {dtype}, {index}{told(options)}", "G26 G27", [
            do.tensor("w", counting(4, 2, dtype)),
            do.tensor("i", indices(index)),
            do.from_pretrained("m", "w", freeze=False, **options),
            do.forward("m", "i", "y"),
            do.tensor("g", ones([len(index), 2], dtype)),
            do.grad("y", "m.weight", "g", as_="d"),
            do.show("m.weight.grad"),
        ])


def through_other_operations():
    for name in ("square", "clone"):
        for padding in (None, 1):
            options = {} if padding is None else {"padding_idx": padding}
            yield Scenario(f"through {name}{told(options)}", "G1 G4", [
                do.tensor("w", ugly(seeded("through"), (4, 3))),
                do.tensor("i", indices([[1, 1], [2, 1]])),
                do.from_pretrained("m", "w", freeze=False, **options),
                do.forward("m", "i", "y"),
                do.op(name, ["y"], "z", gives=True),
                do.op("sum", ["z"], "s"),
                do.backward("s"),
                do.show("m.weight.grad"),
            ])


def weight_changed_in_between():
    """The gradient of a look-up does not depend on the table's numbers."""
    for padding in (None, 2):
        options = {} if padding is None else {"padding_idx": padding}
        yield Scenario(f"the table is overwritten before backward{told(options)}", "G30", [
            do.tensor("w", counting(4, 3)),
            do.tensor("other", ones([4, 3])),
            do.tensor("i", indices([2, 0, 2])),
            do.from_pretrained("m", "w", freeze=False, **options),
            do.forward("m", "i", "y"),
            do.write("m.weight", value="other"),
            do.tensor("g", counting(3, 3)),
            do.backward("y", "g"),
            do.show("m.weight.grad"),
        ])


def scenarios():
    yield from distinct(combinations())
    yield from distinct(functional())
    yield from order_of_the_sum()
    yield from special_gradients()
    yield from summed()
    yield from upstream_checks()
    yield from autograd_grad()
    yield from through_other_operations()
    yield from weight_changed_in_between()
