"""Adagrad: each number has its own rate, from the sum of its squared gradients."""

import itertools

from cases import distinct, given, pairwise, told
from steps import OPTIMIZERS, Scenario, do
from training import backward, drawn_batches, optimizer, stepped, table, trained
from values import counting, indices, ones, seeded, ugly, value

ABOUT = "Adagrad with sparse gradients updates the rows of the batch and sums repeated ones first; with dense ones all rows."

KIND = "adagrad"
INF = float("inf")


def options_of(case):
    """The options that differ from the defaults."""
    return given(case, *(name for name in OPTIMIZERS[KIND] if name in case))


def padded(case):
    return given(case, "padding_idx")


def batches_of(rng, case):
    return [(indices(index, case["index"]), gradient)
            for index, gradient in drawn_batches(rng, 4, case["columns"], dtype=case["dtype"])]


def sparse_combinations():
    for case in pairwise(seeded("adagrad sparse"), dtype=("float32", "float64"), columns=(1, 2, 3, 5, 9), lr=(0.01, 0.3, 2.0),
                         initial_accumulator_value=(None, 0.1, 1e-6, 1e6), eps=(None, 1e-3, 0.3, 0.0),
                         maximize=(False, True), padding_idx=(None, 0, -1),
                         layout=(None, "transposed", "narrowed", "strided"), index=("int64", "int32")):
        options = options_of(case)
        name = (f"sparse {case['dtype']} 4x{case['columns']} {case['layout'] or 'row-major'}, {case['index']}"
                f"{told(options)}{told(padded(case))}")
        rng = seeded(name)
        yield Scenario(name, "O30 O33 O35 G9", [
            *table(ugly(rng, (4, case["columns"]), case["dtype"]), layout=case["layout"], sparse=True, **padded(case)),
            optimizer(KIND, options), *trained(KIND, batches_of(rng, case))])


def dense_combinations():
    for case in pairwise(seeded("adagrad dense"), dtype=("float32", "float64"), columns=(1, 3, 5), lr=(None, 0.1, 3.0),
                         lr_decay=(None, 0.1, 1.5), weight_decay=(None, 0.1, 2.0), eps=(None, 1e-3, 0.3),
                         initial_accumulator_value=(None, 0.1, 100.0), maximize=(False, True), padding_idx=(None, 1),
                         index=("int64", "int32"), layout=(None, "transposed", "narrowed")):
        options = options_of(case)
        name = (f"dense {case['dtype']} 4x{case['columns']} {case['layout'] or 'row-major'}, {case['index']}"
                f"{told(options)}{told(padded(case))}")
        rng = seeded(name)
        yield Scenario(name, "O31 O33", [
            *table(ugly(rng, (4, case["columns"]), case["dtype"]), layout=case["layout"], **padded(case)),
            optimizer(KIND, options), *trained(KIND, batches_of(rng, case))])


def widths():
    """Rows that fill vectors of 4, 8 and 16 numbers, and rows that do not fill the last one."""
    for columns, sparse, dtype in itertools.product((1, 3, 8, 9, 16, 17, 33), (True, False), ("float32", "float64")):
        name = f"{'sparse' if sparse else 'dense'} {dtype} rows of {columns}"
        rng = seeded(name)
        yield Scenario(name, "O30 O31", [
            *table(ugly(rng, (3, columns), dtype), sparse=sparse),
            optimizer(KIND, {"lr": 0.25, "initial_accumulator_value": 0.3}),
            *trained(KIND, drawn_batches(rng, 3, columns, (2, 3, 1), dtype))])


def large_batches():
    """From 17 entries on, repeated rows are summed in an order of libtorch's own."""
    for size, rows, dtype in itertools.product((16, 17, 40), (2, 5), ("float32", "float64")):
        name = f"{size} look-ups of {rows} rows, {dtype}"
        rng = seeded(name)
        yield Scenario(name, "O30 G14", [
            *table(ugly(rng, (rows, 2), dtype), sparse=True),
            optimizer(KIND, {"lr": 0.5}), *trained(KIND, drawn_batches(rng, rows, 2, (size,) * 3, dtype))])


def narrow_dtypes():
    for dtype, sparse, maximize in itertools.product(("float16", "bfloat16"), (True, False), (False, True)):
        options = {"lr": 0.125, "eps": 0.001, **({"maximize": True} if maximize else {})}
        name = f"{'sparse' if sparse else 'dense'} {dtype}{told(options)}"
        rng = seeded(name)
        yield Scenario(name, "O36", [
            *table(counting(4, 3, dtype), sparse=sparse, padding_idx=0), optimizer(KIND, options),
            *trained(KIND, drawn_batches(rng, 4, 3, (4, 2, 3), dtype))])
    yield Scenario("W43, float16, idx 1, lr=0.1", "O36", [
        *table(counting(4, 3, "float16"), sparse=True), optimizer(KIND, {"lr": 0.1}),
        *trained(KIND, [([1], ones([1, 3], "float16"))])])


def decaying():
    """The rate is lr / (1 + (step - 1) * lr_decay). Empty gradients count as steps."""
    empty = ([], value("float32", [], [0, 2]))
    for lr_decay, real in ((1.0, (1, 2, 4)), (0.3, (1, 2, 6)), (0.5, (1, 3, 7)), (0.25, (1, 5))):
        for options in ({}, {"initial_accumulator_value": 0.1, "eps": 0.001}):
            rng = seeded("decaying", lr_decay)
            batches = [drawn_batches(rng, 4, 2, (3,))[0] if step in real else empty for step in range(1, real[-1] + 1)]
            name = f"sparse at the steps {', '.join(map(str, real))}, lr_decay={lr_decay}{told(options)}"
            yield Scenario(name, "O30 O34", [
                *table(ugly(rng, (4, 2)), sparse=True), optimizer(KIND, {"lr": 0.5, "lr_decay": lr_decay, **options}),
                *trained(KIND, batches)])
    for lr_decay, dtype in itertools.product((0.1, 1e-3, 1.0, 1e6, 1e-320), ("float32", "float64")):
        name = f"dense, five steps, lr_decay={lr_decay}, {dtype}"
        rng = seeded(name)
        yield Scenario(name, "O31", [
            *table(ugly(rng, (4, 2), dtype)), optimizer(KIND, {"lr": 0.1, "lr_decay": lr_decay}),
            *trained(KIND, drawn_batches(rng, 4, 2, (3, 2, 3, 1, 4), dtype))])


def any_rate():
    choices = ({}, {"lr_decay": 0.3}, {"initial_accumulator_value": 0.1, "eps": 0.001, "maximize": True})
    for dtype, lr, options in itertools.product(("float32", "float64"), (0.1, 0.003, 1.7, 0.07), choices):
        rng = seeded("any rate", dtype, lr, *options)
        yield Scenario(f"sparse {dtype}, lr={lr}{told(options)}", "O30", [
            *table(ugly(rng, (3, 17), dtype), sparse=True), optimizer(KIND, {"lr": lr, **options}),
            *trained(KIND, drawn_batches(rng, 3, 17, (3, 2, 2), dtype))])


def nothing_to_do():
    """An empty gradient counts as a step, and a missing one does not."""
    empty, padding = ([], value("float32", [], [0, 2])), ([1, 1], ones([2, 2]))
    some = ([2, 0, 2], value("float32", [[0.5, -1], [2, 0.25], [1.5, 3]]))
    for (words, batches), sparse in itertools.product(
            (("empty batch first", (empty, some, some)), ("empty batch in between", (some, empty, some)),
             ("fully padded batch first", (padding, some, some)), ("fully padded in between", (some, padding, some)),
             ("only those", (empty, padding, empty))), (True, False)):
        yield Scenario(f"{'sparse' if sparse else 'dense'}: {words}", "O34 G9 G27", [
            *table(counting(4, 2), sparse=sparse, padding_idx=1), optimizer(KIND, {"lr": 0.5}), *trained(KIND, batches)])
    for sparse in (True, False):
        yield Scenario(f"steps without a gradient, {'sparse' if sparse else 'dense'}", "O4 O33", [
            *table(counting(4, 2), sparse=sparse),
            optimizer(KIND, {"lr": 0.5, "lr_decay": 1.0, "initial_accumulator_value": 0.5}), *stepped(KIND),
            *backward(*some), *stepped(KIND), do.zero_grad("o"), *stepped(KIND), *backward(*some), *stepped(KIND)])
    for rows, columns, index in ((3, 0, [1, 2, 1]), (0, 2, [])):
        yield Scenario(f"a {rows}x{columns} table", "O34 G11", [
            do.embedding("m", rows, columns, sparse=True), optimizer(KIND, {}),
            *backward(index), *stepped(KIND), *backward(index), *stepped(KIND)])


def explicit_zeros():
    zeros, some = value("float32", [[0, 0], [0, "-0"]]), value("float32", [[1, -2], [0.5, 0]])
    for sparse, options in itertools.product((True, False), (
            {}, {"eps": 0.0}, {"eps": 0.0, "initial_accumulator_value": 0.25}, {"eps": 1e-50}, {"maximize": True})):
        yield Scenario(f"{'sparse' if sparse else 'dense'}: zero gradients first, between and last{told(options)}", "O34", [
            *table(counting(5, 2), sparse=sparse), optimizer(KIND, {"lr": 0.5, **options}),
            *trained(KIND, [([1, 3], zeros), ([1, 2], some), ([1, 2], zeros), ([3, 1], some), ([3, 1], zeros)])])
    yield Scenario("entries that cancel out", "O30 O34", [
        *table(counting(4, 2), sparse=True), optimizer(KIND, {"lr": 0.5}),
        *trained(KIND, [([1, 1], value("float32", [[1, -2], [-1, 2]]))] * 3)])


def numbers_at_the_edge():
    cases = {
        "infinite": [["inf", 1], ["-inf", "nan"]], "huge": [[1e30, -1e19], [3e38, 1e20]],
        "tiny": [[1e-20, -1e-30], [1e-45, 1e-38]], "of every size": [[1e-6, 1e6], [-1e-3, 1e3]],
    }
    for (words, rows), sparse in itertools.product(cases.items(), (True, False)):
        yield Scenario(f"{'sparse' if sparse else 'dense'}: {words} gradients", "O30 O31", [
            *table(counting(3, 2), sparse=sparse), optimizer(KIND, {"lr": 0.5}),
            *trained(KIND, [([0, 2], value("float32", rows)), ([2, 1], ones([2, 2])), ([0, 2], value("float32", rows))])])
    for options in ({"lr": 0.0}, {"lr": 2.0**100}, {"lr": 2.0**-140}, {"lr": INF}, {"lr_decay": INF}, {"eps": INF},
                    {"eps": 1e30}, {"initial_accumulator_value": INF}, {"initial_accumulator_value": 1e-320}):
        for sparse in (True, False):
            name = f"{'sparse' if sparse else 'dense'}{told(options)}"
            yield Scenario(name, "O35", [
                *table(counting(3, 2), sparse=sparse), optimizer(KIND, {"lr": 0.5, **options}),
                *trained(KIND, drawn_batches(seeded("edge", name), 3, 2, (2, 2, 3)))])


def accumulated():
    """Two backward passes before a step. The sum does not depend on how their gradients were joined."""
    pairs = (([1, 0], [1, 2]), ([3, 1, 2], [3, 1, 2]), ([2], [1]), ([1, 1], [1]), ([], [1, 2]))
    for (first, second), memory in itertools.product(pairs, ("contiguous", "expanded", "mixed")):
        name = f"{first} and {second}, {memory}"
        rng = seeded(name)
        contents = [ugly(rng, (len(index), 2)) for index in (first, second)]
        gradients = {"contiguous": contents, "expanded": (None, None), "mixed": (contents[0], None)}[memory]
        yield Scenario(name, "G17 O30", [
            *table(ugly(rng, (4, 2)), sparse=True), optimizer(KIND, {"lr": 0.25}),
            *[step for _ in range(3) for step in (
                do.zero_grad("o"), *backward(first, gradients[0]), *backward(second, gradients[1]), *stepped(KIND))]])


def documented():
    w43 = counting(4, 3)
    for sparse in (True, False):
        words = "sparse" if sparse else "dense"
        yield Scenario(f"W43, ones, defaults, {words}: [1], [1, 2]", "O32", [
            *table(w43, sparse=sparse), optimizer(KIND, {}),
            *trained(KIND, [([1], ones([1, 3])), ([1, 2], ones([2, 3])), ([2, 2], ones([2, 3]))])])
        yield Scenario(f"W43, (0.5, 3) and then (-0.25, 2), {words}", "O32", [
            *table(w43, sparse=sparse),
            optimizer(KIND, {"lr": 0.1, "lr_decay": 0.5, "initial_accumulator_value": 0.1, "eps": 0.001}),
            *trained(KIND, [([1, 2], value("float32", [[number] * 3 for number in numbers]))
                            for numbers in ((0.5, 3), (-0.25, 2))])])
        yield Scenario(f"float64, [1, 1], lr=0.1, {words}", "O36", [
            *table(counting(4, 3, "float64"), sparse=sparse), optimizer(KIND, {"lr": 0.1}),
            *trained(KIND, [([1, 1], ones([2, 3], "float64"))] * 2)])


def sparse_and_dense_in_turn():
    """A dense gradient is applied with all its zeros, and adds to the same sum."""
    for order, maximize in itertools.product(((True, False, True), (False, True, False)), (False, True)):
        options = {"lr": 0.5, "eps": 0.001, **({"maximize": True} if maximize else {})}
        name = f"{', '.join('sparse' if sparse else 'dense' for sparse in order)}{told(options)}"
        rng = seeded(name)
        steps = [*table(ugly(rng, (4, 2)), sparse=True), optimizer(KIND, options)]
        for (index, gradient), sparse in zip(drawn_batches(rng, 4, 2), order):
            look_up = do.forward("m", "i", "y", gives=False) if sparse else do.functional("y", "i", "m.weight", gives=False)
            steps += [do.zero_grad("o"), do.tensor("i", indices(index)), look_up,
                      do.tensor("g", gradient), do.backward("y", "g"), *stepped(KIND)]
        yield Scenario(name, "O30 O31", steps)


def gradients_given():
    for coalesced, maximize in itertools.product((False, True), (False, True)):
        options = {"lr": 0.5, **({"maximize": True} if maximize else {})}
        rng = seeded("given", coalesced)
        first = [do.op("coalesce", ["m.weight.grad"], "c"), do.set_grad("m.weight", "c")] if coalesced else []
        yield Scenario(f"the gradient {'coalesced' if coalesced else 'as it came'}{told(options)}", "O4 O30", [
            *table(ugly(rng, (4, 2)), sparse=True), optimizer(KIND, options),
            *backward(*drawn_batches(rng, 4, 2, (5,))[0]), *first,
            *stepped(KIND), *stepped(KIND), *stepped(KIND), do.show("m.weight.grad")])


def scenarios():
    yield from distinct(sparse_combinations())
    yield from distinct(dense_combinations())
    yield from widths()
    yield from large_batches()
    yield from narrow_dtypes()
    yield from decaying()
    yield from any_rate()
    yield from nothing_to_do()
    yield from explicit_zeros()
    yield from numbers_at_the_edge()
    yield from accumulated()
    yield from documented()
    yield from sparse_and_dense_in_turn()
    yield from gradients_given()
