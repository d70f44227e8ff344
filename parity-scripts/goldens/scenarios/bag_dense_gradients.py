"""The dense gradient of a bag's weight."""

import itertools

from bags import (BAGS, GRADIENTS, INDEX, MODES, SEVEN, TABLE, THREE_BAGS, backward, bags_text, count_of, flat, index_steps, looked_up,
                  needs_newer, numbers, offsets_argument, options_of)
from cases import TABLE_LAYOUTS, distinct, given, pairwise, tensor, told
from steps import Scenario, do
from values import ALL_FLOATS, counting, drawn, indices, ones, seeded, ugly, value

ABOUT = "Each row's dense gradient adds the gradients of the bags that it is in: whole, by the mean's share, or where it is largest."

CHANGED = "one of the variables needed for gradient computation has been modified by an inplace operation"
OWN_TYPE_NAMES = "libtorch names tensor types in another way than Python"


def table(nested=TABLE, dtype="float32", **options):
    return [do.tensor("w", value(dtype, nested)), do.bag_from_pretrained("m", "w", freeze=False, **options)]


def combinations():
    for case in pairwise(seeded("dense bags"), dtype=ALL_FLOATS, bags=BAGS, mode=MODES, index=INDEX, offsets=INDEX,
                         include_last_offset=(False, True), padding_idx=(None, 0, 2, -1), scale_grad_by_freq=(False, True),
                         index_layout=(None, "strided", "narrowed", "transposed"), table_layout=TABLE_LAYOUTS,
                         gradient=(None, "transposed", "strided", "expanded", "expanded_columns", "narrowed")):
        if case["mode"] == "max":
            case["scale_grad_by_freq"] = False
        name = f"{case['dtype']} 4x3; {bags_text(case)}"
        rng = seeded(name)
        yield Scenario(name, "B59 B60 B61 B62 B63 B64 B65 B66 B71", [
            tensor("w", numbers(rng, (4, 3), case["dtype"]), case["table_layout"]),
            *index_steps(rng, 4, case),
            do.bag_from_pretrained("m", "w", freeze=False, **options_of(case)),
            do.forward("m", "i", "y", gives=False, **offsets_argument(case["bags"])),
            tensor("g", ugly(rng, (count_of(case["bags"]), 3), case["dtype"]), case["gradient"]),
            do.backward("y", "g"),
            do.show("m.weight.grad"),
        ], needs_newer(case))


def functional():
    for case in pairwise(seeded("dense bags functional"), dtype=ALL_FLOATS, bags=BAGS, mode=(None, *MODES), index=INDEX, offsets=INDEX,
                         include_last_offset=(False, True), padding_idx=(None, 1, -4), scale_grad_by_freq=(False, True)):
        if case["mode"] == "max":
            case["scale_grad_by_freq"] = False
        name = f"functional: {case['dtype']} 4x2; {bags_text(case)}"
        rng = seeded(name)
        yield Scenario(name, "B59 B60 B63 B65 B66", [
            do.tensor("w", numbers(rng, (4, 2), case["dtype"], requires_grad=True)),
            *index_steps(rng, 4, case),
            do.functional_embedding_bag("y", "i", "w", **offsets_argument(case["bags"]), **options_of(case)),
            do.tensor("g", ugly(rng, (count_of(case["bags"]), 2), case["dtype"])), do.backward("y", "g"), do.show("w.grad"),
        ], needs_newer(case))


def documented_numbers():
    for dtype, mode, padding in itertools.product(ALL_FLOATS, MODES, (None, 1)):
        options = given({"mode": mode, "padding_idx": padding}, "mode", "padding_idx")
        yield Scenario(f"three bags of seven indices, {dtype}{told(options)}", "B59 B63 B64", [
            *table(dtype=dtype, **options), *looked_up(SEVEN, THREE_BAGS, gives=False), *backward(value(dtype, GRADIENTS))])
    for mode in MODES:
        yield Scenario(f"five bags of six indices, two of them empty, mode={mode}", "B59 B64 BU18", [
            *table([[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]], mode=mode), *looked_up([3, 1, 1, 1, 4, 0], [0, 0, 3, 3, 6]),
            *backward(value("float32", [[99, 99], [1, 2], [99, 99], [3, 4], [99, 99]]))])
        yield Scenario(f"2-D, mode={mode}", "B59 B64 BU18", [
            *table([[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]], mode=mode), *looked_up([[3, 1, 1], [1, 4, 0]]),
            *backward(value("float32", [[1, 2], [3, 4]]))])


def by_frequency():
    """Each index's gradient is divided by how often the index occurs; libtorch 2.10 takes another index's count."""
    lists = (([3, 3, 1, 2, 2, 2], [0, 4]), (SEVEN, THREE_BAGS), ([2, 2, 2], [0, 1]), ([3, 1, 1], [0, 0, 2]), ([3], [0]),
             ([3, 0, 3, 0, 3], [0, 1, 2]), ([[3, 3], [1, 3]], None), ([[0], [2], [2]], None))
    for (index, offsets), mode, padding in itertools.product(lists, ("sum", "mean"), (None, 3)):
        options = given({"mode": mode, "padding_idx": padding}, "mode", "padding_idx")
        bags = len(index) if offsets is None else len(offsets)
        yield Scenario(f"scale_grad_by_freq, {index}, {offsets}{told(options)}", "B65 B66 BD8", [
            *table(scale_grad_by_freq=True, **options), *looked_up(index, offsets),
            *backward(value("float32", (GRADIENTS * 2)[:bags]))])
    for dtype, mode, size in itertools.product(ALL_FLOATS, ("sum", "mean"), (9, 24)):
        name = f"scale_grad_by_freq, {size} indices, {dtype}, mode={mode}"
        rng = seeded(name)
        yield Scenario(name, "B60 B61 B65 B66", [
            do.tensor("w", numbers(rng, (5, 2), dtype)), do.tensor("i", drawn(rng, 5, (size,))),
            do.tensor("o", indices([0, 2, 7])), do.bag_from_pretrained("m", "w", freeze=False, scale_grad_by_freq=True, mode=mode),
            do.forward("m", "i", "y", gives=False, offsets="o"), *backward(ugly(rng, (3, 2), dtype))])
    yield Scenario("scale_grad_by_freq counts each call by itself", "B65 B66", [
        *table(scale_grad_by_freq=True, mode="sum"), *looked_up([[1, 1], [3, 1]]), *backward(ones([2, 2])),
        *looked_up([[1, 3]]), *backward(ones([1, 2]))])
    yield Scenario("scale_grad_by_freq, two backward passes over one graph", "B65 B66", [
        *table(scale_grad_by_freq=True, mode="sum"), *looked_up([[2, 2], [3, 1]]), do.tensor("g", value("float32", GRADIENTS[:2])),
        do.backward("y", "g", retain_graph=True), do.show("m.weight.grad"), do.backward("y", "g"), do.show("m.weight.grad"),
        do.backward("y", "g", raises=True, text="Trying to backward through the graph a second time",
                    because="the advice after it is about options of Python")])


def order_of_the_sum():
    """Up to 16 indices the order is theirs; from 17 on the library's sort decides."""
    for (count, rows), dtype, mode in itertools.product(((16, 3), (17, 2), (33, 3), (48, 4)), ALL_FLOATS, ("sum", "mean")):
        name = f"{count} indices over {rows} rows, {dtype}, mode={mode}"
        rng = seeded(name)
        yield Scenario(name, "B61 B60", [
            do.tensor("w", counting(rows, 2, dtype)), do.bag_from_pretrained("m", "w", freeze=False, mode=mode),
            do.tensor("i", drawn(rng, rows, (count,))), do.tensor("o", indices([0, 1, 3, 8, 11])),
            do.forward("m", "i", "y", gives=False, offsets="o"), *backward(ugly(rng, (5, 2), dtype))])
    columns = {"float16": [2048, 1, 1], "bfloat16": [256, 1, 1], "float32": [1e8, 1, -1e8], "float64": [1e17, 1, -1e17]}
    for (dtype, gradients), index in itertools.product(columns.items(), ([1, 1, 1], [1, 2, 1])):
        yield Scenario(f"rounding after each addition, {dtype}, {index}", "B60", [
            *table(dtype=dtype, mode="sum"), *looked_up(index, [0, 1, 2], gives=False),
            *backward(value(dtype, [[number, -number] for number in gradients]))])


def special_gradients():
    for dtype, mode, padding in itertools.product(ALL_FLOATS, MODES, (None, 1)):
        options = given({"mode": mode, "padding_idx": padding}, "mode", "padding_idx")
        yield Scenario(f"nan and infinite gradients, {dtype}{told(options)}", "B63 B64", [
            *table(dtype=dtype, **options), *looked_up([1, 2, 3, 1, 0], [0, 1, 3], gives=False),
            *backward(value(dtype, [["nan", "inf"], ["inf", "-inf"], [1, "-0"]]))])


def maxima():
    columns = {
        "nan first": [["nan", 1], [1, 2], ["inf", 3]],
        "nan later": [[1, 1], ["nan", 2], [2, "nan"]],
        "ties go to the first": [[1, 2], [1, 3], [0, 3]],
        "equal zeros": [["-0", 0], [0, "-0"], [0, 0]],
        "all negative infinities": [["-inf", "-inf"], ["-inf", "-inf"], ["-inf", "-inf"]],
    }
    for (name, rows), dtype in itertools.product(columns.items(), ALL_FLOATS):
        yield Scenario(f"the maximum's gradient: {name}, {dtype}", "B64", [
            *table(rows, dtype, mode="max"), *looked_up([0, 1, 2, 2, 1, 0, 0, 0], [0, 3, 6, 6]),
            *backward(value(dtype, [[1, 2], [10, 20], [99, 99], [100, 200]]))])


def summed():
    for case in pairwise(seeded("summed bags"), bags=BAGS, mode=MODES, dtype=("float32", "float64"), padding_idx=(None, 1)):
        name = f"sum of {case['dtype']}; {bags_text(case)}"
        yield Scenario(name, "B59 B64 B69", [
            do.tensor("w", counting(4, 3, case["dtype"])), *index_steps(seeded(name), 4, case),
            do.bag_from_pretrained("m", "w", freeze=False, **options_of(case)),
            do.forward("m", "i", "y", **offsets_argument(case["bags"])),
            do.op("sum", ["y"], "s", gives=True), do.backward("s"), do.show("m.weight.grad")])


def last_offsets():
    """A last offset before the end: libtorch's fast kernel then reads a gradient from foreign memory."""
    for mode, (dtype, padding), (index, offsets) in itertools.product(
            MODES, (("float32", 0), ("float64", None)), (([0, 1, 2, 3], [0, 2, 3]), ([3, 1, 1, 2, 0], [0, 0, 2, 2]), ([2, 1], [0, 1]))):
        options = given({"mode": mode, "padding_idx": padding}, "mode", "padding_idx")
        yield Scenario(f"a last offset of {offsets[-1]} before the end, {dtype}, {index}, {offsets}{told(options)}", "B47", [
            do.tensor("w", counting(4, 2, dtype)), do.bag_from_pretrained("m", "w", freeze=False, include_last_offset=True, **options),
            *looked_up(index, offsets), *backward(value(dtype, GRADIENTS[:len(offsets) - 1]))], newer_only=True)


def meetings():
    for mode, dtype in itertools.product(MODES, ("float32", "float64")):
        yield Scenario(f"two backward passes add, {dtype}, mode={mode}", "B70", [
            *table(dtype=dtype, mode=mode), *looked_up([[1, 2], [0, 1]]), *backward(value(dtype, GRADIENTS[:2])),
            *looked_up(SEVEN, THREE_BAGS), *backward(value(dtype, GRADIENTS)), do.zero_grad("m"), do.show("m.weight.grad")])
    for mode, padding in itertools.product(MODES, (None, 1)):
        options = given({"mode": mode, "padding_idx": padding}, "mode", "padding_idx")
        yield Scenario(f"an Embedding over the same weight{told(options)}", "B71 B15 BD16", [
            *table(**options), do.embedding("e", 4, 2), do.set_weight("e", "m.weight"),
            do.tensor("j", indices([1, 3])), do.forward("e", "j", "z"), *looked_up([[1, 2], [0, 1]]),
            do.op("sum", ["y"], "a"), do.op("sum", ["z"], "b"), do.op("add", ["a", "b"], "s"), do.backward("s"),
            do.show("m.weight.grad"), do.show("e.weight.grad")])
    for mode in MODES:
        yield Scenario(f"through square, mode={mode}", "B59 B64", [
            *table(mode=mode), *looked_up(SEVEN, THREE_BAGS), do.op("square", ["y"], "z", gives=True), do.op("sum", ["z"], "s"),
            do.backward("s"), do.show("m.weight.grad")])
        yield Scenario(f"autograd.grad, mode={mode}", "B59 B64", [
            *table(mode=mode), *looked_up(SEVEN, THREE_BAGS), do.tensor("g", value("float32", GRADIENTS)),
            do.grad("y", "m.weight", "g", as_="d"), do.show("m.weight.grad")])
        yield Scenario(f"the table is overwritten before backward, mode={mode}", "B76", [
            *table(mode=mode), *looked_up(SEVEN, THREE_BAGS), do.tensor("v", ones([4, 2])), do.write("m.weight", value="v"),
            *backward(value("float32", GRADIENTS))])


def refused():
    for mode, frequency in ((*((mode, False) for mode in MODES), ("sum", True), ("mean", True))):
        options = given({"mode": mode, "scale_grad_by_freq": frequency}, "scale_grad_by_freq", "mode")
        yield Scenario(f"backward from a frozen table{told(options)}", "B72 X25", [
            do.tensor("w", value("float32", TABLE)), do.bag_from_pretrained("m", "w", **options), *looked_up(SEVEN, THREE_BAGS),
            do.op("sum", ["y"], "s"), do.backward("s", raises=True), do.show("m.weight.grad")])
        yield Scenario(f"backward twice{told(options)}", "B72 X79", [
            *table(**options), *looked_up(SEVEN, THREE_BAGS), do.op("sum", ["y"], "s"), do.backward("s"),
            do.backward("s", raises=True, text="Trying to backward through the graph a second time",
                        because="the advice after it is about options of Python"), do.show("m.weight.grad")])
        for what, change in (("indices", "i"), ("offsets", "o")):
            numbers_ = [0] * 7 if change == "i" else [0, 1, 2]
            yield Scenario(f"the {what} change between look-up and backward{told(options)}", "B76 X23", [
                *table(**options), *looked_up(SEVEN, THREE_BAGS), do.tensor("other", indices(numbers_)),
                do.write(change, value="other"), do.op("sum", ["y"], "s"),
                do.backward("s", raises=True, text=CHANGED, because=OWN_TYPE_NAMES), do.show("m.weight.grad")])
    for mode in MODES:
        yield Scenario(f"a second derivative, mode={mode}", "B77", [
            *table(mode=mode), *looked_up(SEVEN, THREE_BAGS), do.op("square", ["y"], "z"), do.op("sum", ["z"], "s"),
            do.grad("s", "m.weight", create_graph=True, as_="d", gives=False), do.op("square", ["d"], "q"), do.op("sum", ["q"], "t"),
            do.backward("t", raises=True), do.show("m.weight.grad")])


def without_bags():
    for ilo, mode, dtype in itertools.product((False, True), MODES, ("float32", "float64")):
        case = {"bags": flat(0), "mode": mode, "include_last_offset": ilo}
        yield Scenario(f"no indices and no bags, {dtype}{told(options_of(case))}", "B48", [
            *table(dtype=dtype, **options_of(case)), *index_steps(seeded("none"), 4, case),
            do.forward("m", "i", "y", offsets="o"), do.op("sum", ["y"], "s"), do.backward("s"), do.show("m.weight.grad")])


def scenarios():
    yield from distinct(combinations())
    yield from distinct(functional())
    yield from documented_numbers()
    yield from by_frequency()
    yield from order_of_the_sum()
    yield from special_gradients()
    yield from maxima()
    yield from distinct(summed())
    yield from last_offsets()
    yield from meetings()
    yield from refused()
    yield from without_bags()
