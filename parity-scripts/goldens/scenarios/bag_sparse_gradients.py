"""sparse=True: the gradient of a bag's weight holds one entry for each index."""

import itertools

from bags import (BAGS, GRADIENTS, INDEX, SEVEN, TABLE, THREE_BAGS, backward, bags_text, count_of, flat, index_steps, looked_up,
                  needs_newer, numbers, offsets_argument, options_of)
from cases import TABLE_LAYOUTS, distinct, given, pairwise, tensor, told
from steps import Scenario, do
from values import ALL_FLOATS, counting, drawn, indices, ones, seeded, ugly, value

ABOUT = "A bag's sparse gradient holds the indices in order, duplicates and all, without padding, each with its bag's gradient."

MODES = ("sum", "mean")  # not of maxima
SUMMED = "summed"  # the gradient that sum() sends back: one number, expanded


def table(nested=TABLE, dtype="float32", **options):
    return [do.tensor("w", value(dtype, nested)), do.bag_from_pretrained("m", "w", freeze=False, sparse=True, **options)]


def combinations():
    for case in pairwise(seeded("sparse bags"), dtype=ALL_FLOATS, bags=BAGS, mode=MODES, index=INDEX, offsets=INDEX,
                         include_last_offset=(False, True), padding_idx=(None, 0, 2, -1), sparse=(True,),
                         index_layout=(None, "strided", "narrowed", "transposed"), table_layout=TABLE_LAYOUTS,
                         gradient=(None, SUMMED, "transposed", "strided", "expanded", "narrowed")):
        name = f"{case['dtype']} 4x3; {bags_text(case)}"
        rng = seeded(name)
        if case["gradient"] == SUMMED:
            sent = [do.op("sum", ["y"], "s"), do.backward("s")]
        else:
            gradient = ugly(rng, (count_of(case["bags"]), 3), case["dtype"])
            sent = [tensor("g", gradient, case["gradient"]), do.backward("y", "g")]
        yield Scenario(name, "B67 B68 B69", [
            tensor("w", numbers(rng, (4, 3), case["dtype"]), case["table_layout"]),
            *index_steps(rng, 4, case),
            do.bag_from_pretrained("m", "w", freeze=False, **options_of(case)),
            do.forward("m", "i", "y", gives=False, **offsets_argument(case["bags"])),
            *sent,
            do.show("m.weight.grad"),
        ], needs_newer(case))


def functional():
    for case in pairwise(seeded("sparse bags functional"), dtype=ALL_FLOATS, bags=BAGS, mode=(None, *MODES), index=INDEX,
                         offsets=INDEX, include_last_offset=(False, True), padding_idx=(None, 1, -4), sparse=(True,)):
        name = f"functional: {case['dtype']} 4x2; {bags_text(case)}"
        rng = seeded(name)
        yield Scenario(name, "B67 B68 B69", [
            do.tensor("w", numbers(rng, (4, 2), case["dtype"], requires_grad=True)),
            *index_steps(rng, 4, case),
            do.functional_embedding_bag("y", "i", "w", **offsets_argument(case["bags"]), **options_of(case)),
            do.tensor("g", ugly(rng, (count_of(case["bags"]), 2), case["dtype"])), do.backward("y", "g"), do.show("w.grad"),
        ], needs_newer(case))


def documented_numbers():
    for dtype, mode, padding in itertools.product(ALL_FLOATS, MODES, (None, 1)):
        options = given({"mode": mode, "padding_idx": padding}, "mode", "padding_idx")
        yield Scenario(f"three bags of seven indices, {dtype}{told(options)}", "B67 B68", [
            *table(dtype=dtype, **options), *looked_up(SEVEN, THREE_BAGS, gives=False), *backward(value(dtype, GRADIENTS)),
            do.op("coalesce", ["m.weight.grad"], "c", gives=True), do.op("to_dense", ["m.weight.grad"], "d", gives=True)])
    for dtype, size in itertools.product(ALL_FLOATS, (3, 5, 7)):
        yield Scenario(f"the mean of {size} is a product with the reciprocal, {dtype}", "B68", [
            *table(dtype=dtype, mode="mean"), *looked_up([[1] * size, [2] * size], gives=False),
            *backward(value(dtype, [[1, 7], [0.1, 3]]))])
    yield Scenario("five bags of six indices, two of them empty", "B67 BU18", [
        *table([[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]], mode="sum"), *looked_up([3, 1, 1, 1, 4, 0], [0, 0, 3, 3, 6]),
        *backward(value("float32", [[99, 99], [1, 2], [99, 99], [3, 4], [99, 99]])),
        do.op("to_dense", ["m.weight.grad"], "d", gives=True)])


def sums():
    for (count, rows), dtype, mode in itertools.product(((16, 3), (24, 4), (40, 3)), ALL_FLOATS, MODES):
        name = f"{count} entries over {rows} rows, {dtype}, mode={mode}"
        rng = seeded(name)
        yield Scenario(name, "B67 B68", [
            do.tensor("w", counting(rows, 2, dtype)), do.bag_from_pretrained("m", "w", freeze=False, sparse=True, mode=mode),
            do.tensor("i", drawn(rng, rows, (count,))), do.tensor("o", indices([0, 1, 3, 8, 11])),
            do.forward("m", "i", "y", gives=False, offsets="o"), *backward(ugly(rng, (5, 2), dtype)),
            do.op("coalesce", ["m.weight.grad"], "c", gives=True), do.op("to_dense", ["m.weight.grad"], "d", gives=True)])


def padded():
    lists = (([0, 1, 0, 2], [0, 2]), ([1, 1, 1], [0, 1]), ([3, 3], [0, 0]), ([1], [0]), ([2], [0]), ([[1, 0], [1, 1]], None))
    for (index, offsets), mode, gradient in itertools.product(lists, MODES, ("given", SUMMED)):
        bags = len(index) if offsets is None else len(offsets)
        send = ([do.op("sum", ["y"], "s"), do.backward("s"), do.show("m.weight.grad")] if gradient == SUMMED
                else backward(value("float32", GRADIENTS[:bags])))
        yield Scenario(f"padding_idx=1, {index}, {offsets}, mode={mode}, {gradient} gradient", "B67 B69 BD12", [
            *table(mode=mode, padding_idx=1), *looked_up(index, offsets), *send,
            do.op("to_dense", ["m.weight.grad"], "d", gives=True)])
    for mode in MODES:
        yield Scenario(f"nan for a bag of padding is dropped, mode={mode}", "B67 B63", [
            *table(mode=mode, padding_idx=1), *looked_up([1, 1, 0], [0, 2]),
            *backward(value("float32", [["nan", "inf"], ["nan", 2]]))])


def without_entries():
    for ilo, mode, dtype in itertools.product((False, True), MODES, ("float32", "float16")):
        for bags in (flat(0, 0, 0), flat(0)):
            case = {"bags": bags, "mode": mode, "include_last_offset": ilo}
            yield Scenario(f"no entries, {dtype}; {bags_text(case)}", "B48 B69 BU10", [
                *table(dtype=dtype, **options_of(case)), *index_steps(seeded("none"), 4, case),
                do.forward("m", "i", "y", offsets="o"), do.op("sum", ["y"], "s"), do.backward("s"), do.show("m.weight.grad"),
                do.op("to_dense", ["m.weight.grad"], "d", gives=True)])


PAIRS = (([[1, 0]], [[1, 2]]), ([[3, 1]], [[1, 3]]), ([[3, 1, 2]], [[3, 1, 2]]), ([[2]], [[1]]), ([[1]], [[1]]),
         ([[0, 1]], [[2, 3]]), ([[1, 1]], [[1]]), ([[0], [0], [3]], [[3], [0]]))


def meetings():
    """Two sparse gradients are merged as if both were sorted, and are not checked for it."""
    for (first, second), memory, mode in itertools.product(PAIRS, ("given", SUMMED), MODES):
        calls = []
        for number, index in enumerate((first, second)):
            i, y, g = f"i{number}", f"y{number}", f"g{number}"
            calls += [do.tensor(i, indices(index)), do.forward("m", i, y, gives=False)]
            calls += ([do.op("sum", [y], g), do.backward(g)] if memory == SUMMED else
                      [do.tensor(g, ugly(seeded("meetings", first, number), (len(index), 2))), do.backward(y, g)])
        yield Scenario(f"sparse {first}, then {second}, {memory} gradients, mode={mode}", "B70", [
            *table(mode=mode), *calls, do.show("m.weight.grad"), do.op("to_dense", ["m.weight.grad"], "d", gives=True)])
    for dtype in ("float32", "float64", "bfloat16"):
        yield Scenario(f"a sparse bag and a dense one of one weight, {dtype}", "B70 B71", [
            do.tensor("w", value(dtype, TABLE, requires_grad=True)), do.tensor("i", indices([[1, 1, 3]])),
            do.functional_embedding_bag("y", "i", "w", sparse=True, gives=False), do.tensor("g", value(dtype, GRADIENTS[:1])),
            do.backward("y", "g"), do.show("w.grad"),
            do.functional_embedding_bag("y", "i", "w", mode="sum", gives=False), do.backward("y", "g"), do.show("w.grad")])
    for mode, padding, sparse in itertools.product(MODES, (None, 1), (True, False)):
        options = given({"mode": mode, "padding_idx": padding}, "mode", "padding_idx")
        name = f"a{' sparse' if sparse else ' dense'} Embedding over the same weight{told(options)}"
        yield Scenario(name, "B71", [
            *table(**options), do.embedding("e", 4, 2, sparse=sparse), do.set_weight("e", "m.weight"),
            do.tensor("j", indices([1, 3])), do.forward("e", "j", "z"), *looked_up([[1, 2], [0, 1]]),
            do.tensor("h", ones([2, 2])), do.op("mul", ["z", "h"], "p"),
            do.op("sum", ["y"], "a"), do.op("sum", ["p"], "b"), do.op("add", ["a", "b"], "s"), do.backward("s"),
            do.show("m.weight.grad")])
    yield Scenario("the values are not the caller's gradient, nor the indices the caller's", "B70", [
        *table(mode="sum"), *looked_up([3, 1, 1], [0, 1, 2]), *backward(value("float32", GRADIENTS)),
        do.tensor("h", counting(3, 2)), do.write("g", value="h"), do.tensor("j", indices([0, 0, 0])), do.write("i", value="j"),
        do.show("m.weight.grad")])


def last_offsets():
    for mode, (dtype, padding), (index, offsets) in itertools.product(
            MODES, (("float32", 0), ("float64", None)), (([0, 1, 2, 3], [0, 2, 3]), ([2, 1], [0, 1]))):
        options = given({"mode": mode, "padding_idx": padding}, "mode", "padding_idx")
        yield Scenario(f"a last offset of {offsets[-1]} before the end, {dtype}, {index}, {offsets}{told(options)}", "B47", [
            *table(dtype=dtype, include_last_offset=True, **options), *looked_up(index, offsets),
            *backward(value(dtype, GRADIENTS[:len(offsets) - 1]))], newer_only=True)


def refused():
    for mode, index in itertools.product(MODES, ([1, 2, 1], [1], [])):
        yield Scenario(f"scale_grad_by_freq, {index}, mode={mode}", "B69 X21", [
            *table(mode=mode, scale_grad_by_freq=True), *looked_up(indices(index), [0]), do.op("sum", ["y"], "s"),
            do.backward("s", raises=True), do.show("m.weight.grad"), do.show("m.weight")])
    for mode in MODES:
        yield Scenario(f"a second derivative, mode={mode}", "B77", [
            *table(mode=mode), *looked_up(SEVEN, THREE_BAGS), do.op("square", ["y"], "z"), do.op("sum", ["z"], "s"),
            do.grad("s", "m.weight", create_graph=True, as_="d", gives=False), do.op("to_dense", ["d"], "e"),
            do.op("square", ["e"], "q"), do.op("sum", ["q"], "t"), do.backward("t", raises=True)])


def scenarios():
    yield from distinct(combinations())
    yield from distinct(functional())
    yield from documented_numbers()
    yield from sums()
    yield from padded()
    yield from without_entries()
    yield from meetings()
    yield from last_offsets()
    yield from refused()
