"""per_sample_weights: a factor for each index, and its gradient."""

import itertools

from bags import (BAGS, GRADIENTS, INDEX, SEVEN, TABLE, THREE_BAGS, WEIGHTS, bags_text, coarse, count_of, index_steps, looked_up,
                  needs_newer, numbers, offsets_argument, options_of)
from cases import TABLE_LAYOUTS, distinct, pairwise, possible, tensor, told
from steps import Scenario, do
from values import ALL_FLOATS, counting, drawn, indices, ones, seeded, ugly, value

ABOUT = "A weighted sum multiplies each row by its weight; the weights learn by the product of the row and its bag's gradient."

# The gradient of a weight is a dot product of the BLAS in use, whose order of additions shows from 3 columns on (B74): random rows
# have two columns, wider ones small whole numbers.


def both_gradients():
    return [do.backward("y", "g"), do.show("p.grad"), do.show("m.weight.grad")]


def weighted(weights, dtype="float32", requires_grad=True):
    return do.tensor("p", value(dtype, weights, requires_grad=requires_grad))


def table(nested=TABLE, dtype="float32", freeze=False, **options):
    return [do.tensor("w", value(dtype, nested)), do.bag_from_pretrained("m", "w", freeze=freeze, mode="sum", **options)]


def combinations():
    for case in pairwise(seeded("weights"), dtype=ALL_FLOATS, bags=BAGS, index=INDEX, offsets=INDEX, mode=("sum",),
                         include_last_offset=(False, True), padding_idx=(None, 0, -1), scale_grad_by_freq=(False, True),
                         sparse=(False, True), table_layout=TABLE_LAYOUTS, index_layout=(None, "strided", "narrowed"),
                         weights_layout=(None, "strided", "narrowed", "expanded", "transposed"), train=(True, False)):
        case["sparse"] = case["sparse"] and not case["scale_grad_by_freq"]  # whose backward pass is refused
        case["weights_layout"] = possible(case["weights_layout"], case["bags"].shape)
        name = f"{case['dtype']} 4x2; {bags_text(case)}{', trained weights' if case['train'] else ''}"
        rng = seeded(name)
        weights = numbers(rng, case["bags"].shape, case["dtype"], requires_grad=case["train"])
        yield Scenario(name, "B35 B60 B65 B66 B68 B73 B74", [
            tensor("w", numbers(rng, (4, 2), case["dtype"]), case["table_layout"]),
            *index_steps(rng, 4, case),
            tensor("p", weights, case["weights_layout"]),
            do.bag_from_pretrained("m", "w", freeze=False, **options_of(case)),
            do.forward("m", "i", "y", per_sample_weights="p", **offsets_argument(case["bags"])),
            do.tensor("g", numbers(rng, (count_of(case["bags"]), 2), case["dtype"])),
            *both_gradients(),
        ], needs_newer(case))


def functional():
    for case in pairwise(seeded("weights functional"), dtype=ALL_FLOATS, bags=BAGS, index=INDEX, offsets=INDEX, mode=("sum",),
                         include_last_offset=(False, True), padding_idx=(None, 1, -4), sparse=(False, True),
                         learns=("both", "the table", "the weights", "neither")):
        name = f"functional: {case['dtype']} 4x2; {bags_text(case)}, {case['learns']} trained"
        rng = seeded(name)
        table_learns, weights_learn = case["learns"] in ("both", "the table"), case["learns"] in ("both", "the weights")
        learn = [do.tensor("g", numbers(rng, (count_of(case["bags"]), 2), case["dtype"])), do.backward("y", "g"), do.show("w.grad"),
                 do.show("p.grad")]
        yield Scenario(name, "B35 B73 B75 BU22", [
            do.tensor("w", numbers(rng, (4, 2), case["dtype"], requires_grad=table_learns)),
            *index_steps(rng, 4, case),
            do.tensor("p", numbers(rng, case["bags"].shape, case["dtype"], requires_grad=weights_learn)),
            do.functional_embedding_bag("y", "i", "w", per_sample_weights="p", **offsets_argument(case["bags"]), **options_of(case)),
            *(learn if case["learns"] != "neither" else []),
        ], needs_newer(case))


def documented_numbers():
    """Each product is rounded and then added; libtorch 2.10's fast kernel fuses the two."""
    for dtype, options in itertools.product(ALL_FLOATS, ({}, {"padding_idx": 0}, {"padding_idx": 1}, {"scale_grad_by_freq": True},
                                                         {"sparse": True}, {"sparse": True, "padding_idx": 1})):
        yield Scenario(f"seven weights, {dtype}{told(options)}", "B35 B37 B68 B73 BD4", [
            *table(dtype=dtype, **options), weighted(WEIGHTS, dtype),
            *looked_up(SEVEN, THREE_BAGS, per_sample_weights="p"), do.tensor("g", value(dtype, GRADIENTS)), *both_gradients()])
    for dtype in ("float32", "float64"):
        name = f"a product and a sum are two roundings, {dtype}"
        rng = seeded(name)
        yield Scenario(name, "B35", [
            do.tensor("w", ugly(rng, (9, 5), dtype)), do.bag_from_pretrained("m", "w", mode="sum"),
            do.tensor("p", ugly(rng, (30,), dtype)), do.tensor("i", drawn(rng, 9, (30,))), do.tensor("o", indices([0, 4, 4, 18])),
            do.forward("m", "i", "y", offsets="o", per_sample_weights="p")])


def upstream_checks():
    rows = [[1, 2, 3], [4, 5, 6], [7, 8, 9], [1, -1, 2], [0, 3, -2]]
    for dtype, ilo, learns in itertools.product(ALL_FLOATS, (False, True), (True, False)):
        offsets = [0, 0, 3, 3, 6] + [6] * ilo
        yield Scenario(f"six weights in five bags, {dtype}{', include_last_offset' if ilo else ''}{', trained' if learns else ''}",
                       "BU15 BU16 B73", [
            *table(rows, dtype, include_last_offset=ilo), weighted([0.5, -1, 2, 3, 0.25, -4], dtype, learns),
            *looked_up([3, 1, 1, 1, 4, 0], offsets, per_sample_weights="p"),
            do.tensor("g", value(dtype, [[9, 9, 9], [1, 2, 3], [9, 9, 9], [-1, 4, 0.5], [9, 9, 9]])), *both_gradients()])
    for dtype, index, offsets in itertools.product(ALL_FLOATS, INDEX, INDEX):
        yield Scenario(f"no indices, five bags, {dtype}, {index} and {offsets}", "BU14 B53", [
            *table(rows, dtype), do.tensor("i", indices([], index)), do.tensor("o", indices([0] * 5, offsets)), weighted([], dtype),
            do.forward("m", "i", "y", offsets="o", per_sample_weights="p"), do.tensor("g", ones([5, 3], dtype)), *both_gradients()])
    for size, sparse, dtype in itertools.product((1, 2, 5), (False, True), ("float32", "float64")):
        options = {"sparse": True} if sparse else {}
        name = f"three bags of {size}, 2-D, {dtype}{told(options)}"
        rng = seeded(name)
        yield Scenario(name, "BU17 B73", [
            do.tensor("w", ugly(rng, (5, 2), dtype)), do.bag_from_pretrained("m", "w", freeze=False, mode="sum", **options),
            do.tensor("i", drawn(rng, 5, (3, size))), do.tensor("p", ugly(rng, (3, size), dtype, requires_grad=True)),
            do.forward("m", "i", "y", per_sample_weights="p"), do.tensor("g", ugly(rng, (3, 2), dtype)), *both_gradients()])


def wide_rows():
    """Whole numbers, whose sums are exact in whatever order a BLAS adds them."""
    for columns, dtype, padding in itertools.product((1, 4, 9, 17), ALL_FLOATS, (None, 2)):
        options = {} if padding is None else {"padding_idx": padding}
        name = f"{columns} columns, {dtype}{told(options)}"
        rng = seeded(name)

        def whole(shape, **more):
            count = shape[0] * (shape[1] if len(shape) > 1 else 1)
            return value(dtype, [rng.randint(-3, 3) for _ in range(count)], shape, **more)

        yield Scenario(name, "B73 B74", [
            do.tensor("w", whole((4, columns))), do.bag_from_pretrained("m", "w", freeze=False, mode="sum", **options),
            do.tensor("p", whole((6,), requires_grad=True)), do.tensor("i", drawn(rng, 4, (6,))), do.tensor("o", indices([0, 2, 2])),
            do.forward("m", "i", "y", offsets="o", per_sample_weights="p"), do.tensor("g", whole((3, columns))), *both_gradients()])


def special_weights():
    for dtype, weights in itertools.product(ALL_FLOATS, ([0, 1, 1], ["-0", "-0", "-0"], ["inf", 1, "-inf"], ["nan", 1, 0], [-1, 2, 3])):
        yield Scenario(f"weights {' '.join(map(str, weights))}, {dtype}", "B53", [
            *table([["inf", 1], [2, "-0"], ["nan", 3]], dtype), weighted(weights, dtype),
            *looked_up([0, 1, 1], [0, 1], per_sample_weights="p"), do.tensor("g", value(dtype, [[1, 2], [3, 0]])), *both_gradients()])
    for dtype in ALL_FLOATS:
        yield Scenario(f"a padded entry has no weight, whatever the row and the weight hold, {dtype}", "B42 B73", [
            *table([["inf", "nan"], [2, 4], [3, 5]], dtype, padding_idx=0), weighted(["nan", 1, "inf", -1], dtype),
            *looked_up([0, 1, 0, 2], [0, 2], per_sample_weights="p"), do.tensor("g", value(dtype, [[1, 2], [3, 4]])),
            *both_gradients()])


def learning():
    for dtype, sparse in itertools.product(("float32", "float64"), (False, True)):
        options = {"sparse": True} if sparse else {}
        yield Scenario(f"weights that are computed, {dtype}{told(options)}", "B73", [
            *table(dtype=dtype, **options), weighted(WEIGHTS, dtype), do.op("square", ["p"], "q"),
            *looked_up(SEVEN, THREE_BAGS, per_sample_weights="q"), do.tensor("g", value(dtype, GRADIENTS)), *both_gradients()])
        yield Scenario(f"two backward passes, {dtype}{told(options)}", "B73 B70", [
            *table(dtype=dtype, **options), weighted(WEIGHTS, dtype),
            *looked_up(SEVEN, THREE_BAGS, per_sample_weights="p"), do.tensor("g", value(dtype, GRADIENTS)), *both_gradients(),
            *looked_up(SEVEN, THREE_BAGS, per_sample_weights="p"), *both_gradients()])
    for freeze, learns, mode in itertools.product((True, False), (True, False), (None, "no_grad")):
        run = {mode: True} if mode else {}
        name = f"{'frozen' if freeze else 'trained'} table, {'trained' if learns else 'constant'} weights{', no_grad' if mode else ''}"
        can_learn = not mode and (learns or not freeze)
        yield Scenario(name, "B75 BU22", [
            *table(freeze=freeze), weighted(WEIGHTS, requires_grad=learns),
            *looked_up(SEVEN, THREE_BAGS, per_sample_weights="p", **run), do.tensor("g", value("float32", GRADIENTS)),
            do.backward("y", "g", raises=not can_learn), do.show("p.grad"), do.show("m.weight.grad")])
    for frequency in (False, True):
        options = {"scale_grad_by_freq": True} if frequency else {}
        yield Scenario(f"autograd.grad of the weights{told(options)}", "B73 B66", [
            *table(**options), weighted(WEIGHTS), *looked_up(SEVEN, THREE_BAGS, per_sample_weights="p"),
            do.tensor("g", value("float32", GRADIENTS)), do.grad("y", "p", "g", as_="d"), do.show("p.grad")])
        yield Scenario(f"backward twice{told(options)}", "B72 B66", [
            *table(**options), weighted(WEIGHTS), *looked_up(SEVEN, THREE_BAGS, per_sample_weights="p"), do.op("sum", ["y"], "s"),
            do.backward("s", retain_graph=True), do.backward("s"), do.show("p.grad"), do.show("m.weight.grad")])
    yield Scenario("an optimizer step between look-up and backward", "B76", [
        *table(), weighted(WEIGHTS, requires_grad=False), do.sgd("o1", ["m.weight"], 0.5),
        *looked_up(SEVEN, THREE_BAGS, per_sample_weights="p"), do.tensor("h", ones([4, 2])), do.set_grad("m.weight", "h"),
        do.step("o1"), do.zero_grad("m"), do.tensor("g", value("float32", GRADIENTS)), *both_gradients()])
    for what in ("the table", "the weights"):
        changed = "m.weight" if what == "the table" else "p"
        other = counting(4, 2) if what == "the table" else ones([7])
        yield Scenario(f"{what} change between look-up and backward", "B76 X23", [
            *table(), weighted(WEIGHTS), *looked_up(SEVEN, THREE_BAGS, per_sample_weights="p"), do.tensor("v", other),
            do.write(changed, value="v"), do.op("sum", ["y"], "s"),
            do.backward("s", raises=True, text="one of the variables needed for gradient computation has been modified by an inplace "
                        "operation", because="libtorch names tensor types in another way than Python"), do.show("p.grad")])


def whole_bfloat16():
    for index, offsets in ((SEVEN, THREE_BAGS), ([[1, 2], [0, 3]], None)):
        shape = (7,) if offsets else (2, 2)
        name = f"bfloat16 whose every sum is exact, {index}"
        rng = seeded(name)
        yield Scenario(name, "B36", [
            do.tensor("w", coarse(rng, (4, 5))), do.bag_from_pretrained("m", "w", mode="sum"), do.tensor("p", coarse(rng, shape)),
            *looked_up(index, offsets, per_sample_weights="p")])


def without_columns():
    for dtype in ("float32", "float64"):
        yield Scenario(f"a table without columns, weights that learn, {dtype}", "B49 B73", [
            do.tensor("w", counting(4, 0, dtype)), do.bag_from_pretrained("m", "w", freeze=False, mode="sum"),
            do.tensor("p", value(dtype, [1, 2, 3], requires_grad=True)), *looked_up([1, 2, 1], [0, 2], per_sample_weights="p"),
            do.tensor("g", ones([2, 0], dtype)), *both_gradients()])


def scenarios():
    yield from distinct(combinations())
    yield from distinct(functional())
    yield from documented_numbers()
    yield from upstream_checks()
    yield from wide_rows()
    yield from special_weights()
    yield from learning()
    yield from whole_bfloat16()
    yield from without_columns()
