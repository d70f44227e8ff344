"""padding_idx of bags: its entries are left out of the bag, and its row does not learn."""

import itertools

from bags import (BAGS, GRADIENTS, INDEX, MODES, SEVEN, TABLE, THREE_BAGS, bags_text, index_steps, looked_up, needs_newer,
                  offsets_argument, options_of)
from cases import TABLE_LAYOUTS, distinct, given, pairwise, tensor, told
from steps import Scenario, do
from values import ALL_FLOATS, counting, ones, seeded, ugly, value

ABOUT = "Padding is left out of sums, of the mean's count and of maxima; a bag of nothing else is zeros; its row does not learn."


def combinations():
    """With padding bfloat16 is rounded alike in every build, so these rows are of any numbers."""
    for case in pairwise(seeded("padded bags"), dtype=ALL_FLOATS, bags=BAGS, mode=MODES, index=INDEX, offsets=INDEX,
                         include_last_offset=(False, True), padding_idx=(0, 2, -1, -3), table_layout=TABLE_LAYOUTS,
                         index_layout=TABLE_LAYOUTS, offsets_layout=(None, "strided", "narrowed")):
        name = f"{case['dtype']} 3x3; {bags_text(case)}"
        rng = seeded(name)
        yield Scenario(name, "B42 B4", [
            tensor("w", ugly(rng, (3, 3), case["dtype"]), case["table_layout"]), *index_steps(rng, 3, case),
            do.bag_from_pretrained("m", "w", freeze=False, **options_of(case)),
            do.forward("m", "i", "y", **offsets_argument(case["bags"])),
        ], needs_newer(case))


def functional():
    for case in pairwise(seeded("padded bags functional"), dtype=ALL_FLOATS, bags=BAGS, mode=(None, *MODES), index=INDEX,
                         offsets=INDEX, include_last_offset=(False, True), padding_idx=(0, 1, -1, -2), requires_grad=(True, False)):
        name = f"functional: {case['dtype']} 2x2; {bags_text(case)}{', requires grad' if case['requires_grad'] else ''}"
        rng = seeded(name)
        yield Scenario(name, "B42 B24 BU4", [
            do.tensor("w", ugly(rng, (2, 2), case["dtype"], case["requires_grad"])), *index_steps(rng, 2, case),
            do.functional_embedding_bag("y", "i", "w", **offsets_argument(case["bags"]), **options_of(case)),
        ], needs_newer(case))


def documented_numbers():
    for dtype, mode, padding in itertools.product(ALL_FLOATS, MODES, (0, 1, 2, 3, -1)):
        yield Scenario(f"three bags of seven indices, {dtype}, padding_idx={padding}, mode={mode}", "B42", [
            do.tensor("w", value(dtype, TABLE)), do.bag_from_pretrained("m", "w", mode=mode, padding_idx=padding),
            *looked_up(SEVEN, THREE_BAGS)])


def only_padding():
    for dtype, mode, (index, offsets) in itertools.product(ALL_FLOATS, MODES, (
            ([1, 1, 0, 1], [0, 2]), ([1], [0]), ([[1, 1], [1, 2], [2, 1]], None), ([1, 1], [0, 0, 2]))):
        bags = len(index) if offsets is None else len(offsets)
        yield Scenario(f"bags of padding, {dtype}, {index}, {offsets}, mode={mode}", "B42 B63 BU8 BU9 BD15 BD21", [
            do.tensor("w", value(dtype, [[1, -1], ["nan", "inf"], [-2, 3]])),
            do.bag_from_pretrained("m", "w", freeze=False, mode=mode, padding_idx=1), *looked_up(index, offsets),
            do.tensor("g", value(dtype, (GRADIENTS * 2)[:bags])), do.backward("y", "g"), do.show("m.weight.grad")])


def as_two_dimensional():
    """U8: bags of several sizes give what a 2-D input filled up with padding gives."""
    bags = (([2, 0, 0], [0, 0, 0]), ([3, 1, 2], [3, 1, 2]), ([0, 0, 0], []), ([1, 0, 0], [1]))
    for mode, sparse, padding in itertools.product(MODES, (False, True), (0, 3)):
        if mode == "max" and sparse:
            continue
        options = given({"mode": mode, "sparse": sparse}, "mode", "sparse")
        square = [[padding if at == 0 else at for at in row] for row, _ in bags]
        ragged = [at for row in square for at in row if at != padding]
        starts = [sum(at != padding for row in square[:number] for at in row) for number in range(len(square))]
        for dtype in ("float32", "float64"):
            rng = seeded("as 2-D", mode, dtype)
            gradient = do.tensor("g", ugly(rng, (4, 3), dtype))
            yield Scenario(f"filled up with padding, and as bags of several sizes, {dtype}, padding_idx={padding}{told(options)}",
                           "BU8 BU9 B42 B63", [
                do.tensor("w", ugly(rng, (4, 3), dtype)), gradient,
                do.bag_from_pretrained("m", "w", freeze=False, padding_idx=padding, **options), *looked_up(square),
                do.backward("y", "g"), do.show("m.weight.grad"), do.zero_grad("m"), *looked_up(ragged, starts, "z"),
                do.backward("z", "g"), do.show("m.weight.grad")])


def a_new_layer():
    for padding, mode in itertools.product((0, 3, -1, -4), MODES):
        yield Scenario(f"a new layer's row is zero, padding_idx={padding}, mode={mode}", "B8 B6 BD12", [
            do.seed(3), do.embedding_bag("m", 4, 5, padding_idx=padding, mode=mode), do.show("m.padding_idx"), do.show("m.weight"),
            *looked_up([padding % 4, 1, padding % 4, 2], [0, 1, 2])])
    for sparse, mode in itertools.product((False, True), ("sum", "mean")):
        options = {"sparse": True} if sparse else {}
        yield Scenario(f"a written padding row stays out and does not learn, mode={mode}{told(options)}", "B42 B63 BD12", [
            do.tensor("w", counting(4, 3)), do.bag_from_pretrained("m", "w", freeze=False, padding_idx=2, mode=mode, **options),
            do.tensor("row", value("float32", [-9, 8, -7])), do.write("m.weight", 2, "row"), do.sgd("o", ["m.weight"], 0.5),
            *looked_up([[2, 1], [2, 2]]), do.tensor("g", ones([2, 3])), do.backward("y", "g"), do.step("o"), do.show("m.weight")])


def counted_by_frequency():
    for mode, index in itertools.product(("sum", "mean"), ([[1, 1], [0, 1]], [[1, 1], [1, 1]], [[3, 1], [3, 3]])):
        yield Scenario(f"scale_grad_by_freq counts padding and does not add it, {index}, mode={mode}", "B65 B66 B63", [
            do.tensor("w", value("float32", TABLE)),
            do.bag_from_pretrained("m", "w", freeze=False, padding_idx=1, scale_grad_by_freq=True, mode=mode), *looked_up(index),
            do.tensor("g", value("float32", GRADIENTS[:2])), do.backward("y", "g"), do.show("m.weight.grad")])


def scenarios():
    yield from distinct(combinations())
    yield from distinct(functional())
    yield from documented_numbers()
    yield from only_padding()
    yield from as_two_dimensional()
    yield from a_new_layer()
    yield from counted_by_frequency()
