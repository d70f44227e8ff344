"""sparse=True: the gradient holds one entry for each look-up."""

import itertools

from cases import SHAPES, TABLE_LAYOUTS, distinct, given, memory_text, pairwise, shape_text, tensor, told
from steps import Scenario, do
from values import ALL_FLOATS, counting, drawn, flattened, indices, ones, seeded, shape_of, ugly, value

ABOUT = "A sparse gradient holds the looked-up indices in order, duplicates and all, without those of the padding row."

SUMMED = "summed"  # the gradient that sum() sends back is one number, expanded


def backward_of(case, rng):
    """A backward pass with a gradient in the case's memory layout. With padding, a 0-d index cannot be filtered (X20)."""
    raises = case["shape"] == () and case["padding_idx"] is not None
    shape = (*case["shape"], 3)
    if case["gradient"] == SUMMED:
        return [do.op("sum", ["y"], "s", gives=False), do.backward("s", raises=raises)]
    return [tensor("g", ugly(rng, shape, case["dtype"]), case["gradient"]), do.backward("y", "g", raises=raises)]


def named(case, options):
    return f"{case['dtype']}; {case['index']} {shape_text(case['shape'])}{told(options)}{memory_text(case)}"


def combinations():
    for case in pairwise(seeded("sparse"), dtype=ALL_FLOATS, shape=(*SHAPES, (7,)), padding_idx=(None, 0, 2, -1),
                         index=("int64", "int32"), table_layout=TABLE_LAYOUTS,
                         index_layout=(None, "transposed", "strided", "narrowed"),
                         gradient=(None, SUMMED, "transposed", "expanded", "narrowed")):
        options = given(case, "padding_idx")
        name = named(case, options)
        rng = seeded(name)
        yield Scenario(name, "G7 G8 G9 G10 X20", [
            tensor("w", ugly(rng, (4, 3), case["dtype"]), case["table_layout"]),
            tensor("i", drawn(rng, 4, case["shape"], case["index"]), case["index_layout"]),
            do.from_pretrained("m", "w", freeze=False, sparse=True, **options),
            do.forward("m", "i", "y"),
            *backward_of(case, rng),
            do.show("m.weight.grad"),
        ])


def functional():
    for case in pairwise(seeded("sparse functional"), dtype=ALL_FLOATS, shape=SHAPES, padding_idx=(None, 0, 3, -1, -4),
                         index=("int64", "int32"), gradient=(None, SUMMED)):
        options = given(case, "padding_idx")
        name = f"functional: {named(case, options)}"
        rng = seeded(name)
        yield Scenario(name, "G7 G9 F8", [
            do.tensor("w", ugly(rng, (4, 3), case["dtype"], requires_grad=True)),
            do.tensor("i", drawn(rng, 4, case["shape"], case["index"])),
            do.functional("y", "i", "w", sparse=True, **options),
            *backward_of(case, rng),
            do.show("w.grad"),
        ])


def sums():
    """From 17 entries on, coalescing sums duplicates in an order of libtorch's own. to_dense always keeps their order."""
    sizes = ((2, 2), (6, 3), (16, 3), (17, 2), (24, 5), (33, 3), (48, 4), (64, 7))
    for (entries, rows), dtype in itertools.product(sizes, ALL_FLOATS):
        name = f"{entries} entries over {rows} rows, {dtype}"
        rng = seeded(name)
        yield Scenario(name, "G14 G15 L13", [
            do.tensor("w", counting(rows, 2, dtype)),
            do.tensor("i", drawn(rng, rows, (entries,))),
            do.from_pretrained("m", "w", freeze=False, sparse=True),
            do.forward("m", "i", "y", gives=False),
            do.tensor("g", ugly(rng, (entries, 2), dtype)),
            do.backward("y", "g"),
            do.op("coalesce", ["m.weight.grad"], "c", gives=True),
            do.op("to_dense", ["m.weight.grad"], "d", gives=True),
            do.op("to_dense", ["c"], "e", gives=True),
        ])
    for dtype, numbers in (("float16", [2048, 1, 1]), ("bfloat16", [256, 1, 1]), ("float32", [1e8, 1, -1e8]),
                           ("float64", [1e17, 1, -1e17])):
        yield Scenario(f"coalescing rounds after each addition, {dtype}", "G15", [
            *lookup_of([1, 1, 1], dtype),
            do.tensor("g", value(dtype, [[number, -number] for number in numbers])),
            do.backward("y", "g"),
            do.op("coalesce", ["m.weight.grad"], "c", gives=True),
            do.op("to_dense", ["m.weight.grad"], "d", gives=True),
        ])
    for dtype, index in itertools.product(ALL_FLOATS, ([2], [2, 2])):
        yield Scenario(f"negative zeros, {dtype} {index}", "G15", [
            *lookup_of(index, dtype),
            do.tensor("g", value(dtype, [["-0", 0]] * len(index))),
            do.backward("y", "g"),
            do.op("coalesce", ["m.weight.grad"], "c", gives=True),
            do.op("to_dense", ["m.weight.grad"], "d", gives=True),
        ])


def lookup_of(index, dtype="float32", rows=4, **options):
    return [do.tensor("w", counting(rows, 2, dtype)), do.tensor("i", indices(index)),
            do.from_pretrained("m", "w", freeze=False, sparse=True, **options), do.forward("m", "i", "y")]


def padded():
    looked_up = ([0, 1, 0, 2], [1, 1, 1], [[1, 0], [2, 1]], [3, 3], [1], [])
    for index, gradient in itertools.product(looked_up, ("given", SUMMED)):
        numbers = list(range(2 * len(flattened(index))))
        send = [do.op("sum", ["y"], "s"), do.backward("s")] if gradient == SUMMED else [
            do.tensor("g", value("float32", numbers, [*shape_of(index), 2])), do.backward("y", "g")]
        yield Scenario(f"padding_idx=1, {index}, {gradient} gradient", "G9 G8", [
            *lookup_of(index, padding_idx=1), *send,
            do.show("m.weight.grad"),
            do.op("to_dense", ["m.weight.grad"], "d", gives=True),
        ])
    yield Scenario("nan in a padded entry is dropped", "G9 G4", [
        *lookup_of([1, 0], padding_idx=1),
        do.tensor("g", value("float32", [["nan", "nan"], [1, 2]])),
        do.backward("y", "g"), do.show("m.weight.grad"),
    ])


def upstream_checks():
    yield Scenario("repeats in a 2-D input", "U1 G7", [
        *lookup_of([[0, 1, 3, 3], [2, 3, 0, 1]]),
        do.op("sum", ["y"], "s"), do.backward("s"), do.show("m.weight.grad"),
    ])
    for rows, columns, index in ((0, 0, []), (10, 0, [[0, 1, 2, 4], [4, 3, 2, 9]]), (0, 3, []), (3, 0, [2])):
        yield Scenario(f"{rows}x{columns} table, {len(index)} rows of indices", "U2 G11", [
            do.embedding("m", rows, columns, sparse=True),
            do.tensor("i", indices(index)),
            do.forward("m", "i", "y"),
            do.op("sum", ["y"], "s", gives=True), do.backward("s"), do.show("m.weight.grad"),
            do.op("to_dense", ["m.weight.grad"], "d", gives=True),
        ])
    yield Scenario("indices [7, 1, 3], then twice, then with a changed input", "U11 G7 G17", [
        do.embedding("m", 10, 2, sparse=True, dtype="float64"),
        do.tensor("i", indices([7, 1, 3])),
        do.forward("m", "i", "y", gives=False), do.op("sum", ["y"], "s"), do.backward("s"), do.show("m.weight.grad"),
        do.forward("m", "i", "z", gives=False), do.op("sum", ["z"], "s"), do.backward("s"), do.show("m.weight.grad"),
        do.zero_grad("m"), do.show("m.weight.grad"),
        do.forward("m", "i", "y", gives=False), do.op("sum", ["y"], "s"), do.backward("s"),
        do.tensor("eight", indices(8)), do.write("i", 0, "eight"),
        do.forward("m", "i", "y", gives=False), do.op("sum", ["y"], "s"), do.backward("s"), do.show("m.weight.grad"),
    ])
    for padding in (0, -2):
        yield Scenario(f"padded rows neither count nor learn, padding_idx={padding}", "U14 G9", [
            do.tensor("w", counting(10, 2)),
            do.from_pretrained("m", "w", freeze=False, sparse=True, padding_idx=padding),
            do.tensor("i", indices([[padding % 10, 2, 4, padding % 10], [padding % 10, 5, 8, 1]])),
            do.forward("m", "i", "y", gives=False),
            do.op("sum", ["y"], "s"), do.backward("s"), do.show("m.weight.grad"),
            do.op("add", ["m.weight", "m.weight.grad"], "after", gives=True),
        ])


def memory_shared():
    """The entries may be the caller's own gradient tensor; the indices are never the caller's index tensor."""
    for index in ([3, 1, 1], [2]):
        yield Scenario(f"a later write to the given gradient, {index}", "G22", [
            *lookup_of(index),
            do.tensor("g", ones([len(index), 2])),
            do.backward("y", "g"),
            do.tensor("h", counting(len(index), 2)), do.write("g", value="h"),
            do.show("m.weight.grad"),
        ])
        yield Scenario(f"a later write to the indices, {index}", "G22", [
            *lookup_of(index),
            do.op("sum", ["y"], "s"), do.backward("s"),
            do.tensor("zeros", indices([0] * len(index))), do.write("i", value="zeros"),
            do.show("m.weight.grad"),
        ])


def refused():
    for padding, index in ((1, 1), (1, 0), (-1, 3)):
        yield Scenario(f"a 0-d input with padding, padding_idx={padding}, index {index}", "X20 G10", [
            *lookup_of(index, padding_idx=padding),
            do.tensor("g", ones([2])), do.backward("y", "g", raises=True),
            do.show("m.weight.grad"),
        ])
    for padding, index in itertools.product((None, 1), ([1, 2, 1], [1], [])):
        options = given({"padding_idx": padding}, "padding_idx")
        yield Scenario(f"scale_grad_by_freq, {index}{told(options)}", "X21 G12 F16", [
            *lookup_of(index, scale_grad_by_freq=True, **options),
            do.tensor("g", ones([len(index), 2])), do.backward("y", "g", raises=True),
            do.show("m.weight.grad"), do.show("m.weight"),
        ])


def scenarios():
    yield from distinct(combinations())
    yield from distinct(functional())
    yield from sums()
    yield from padded()
    yield from upstream_checks()
    yield from memory_shared()
    yield from refused()
