"""SparseAdam: only the rows of the batch move, and only their moments decay."""

import itertools

from cases import distinct, pairwise, told
from steps import Scenario, do
from training import backward, drawn_batches, optimizer, stepped, table, trained
from values import counting, indices, ones, seeded, ugly, value

ABOUT = "SparseAdam updates the batch's rows, sums repeated ones first, and corrects the bias by the parameter's step count."

KIND = "sparse_adam"
BETAS = ((None, None), (0.0, 0.0), (0.5, 0.25), (0.0, 0.999), (0.99, 0.0), (0.8, 0.99999))


def options_of(case):
    """The options that differ from the defaults."""
    (beta1, beta2), options = case["betas"], {"lr": case["lr"], "eps": case["eps"], "maximize": case["maximize"]}
    options.update({"beta1": beta1, "beta2": beta2})
    return {name: option for name, option in options.items() if option is not None and option is not False}


def combinations():
    for case in pairwise(seeded("sparse_adam"), dtype=("float32", "float64"), columns=(1, 2, 3, 5), betas=BETAS,
                         lr=(None, 0.1, 2.5, 1e-5), eps=(None, 1e-3, 0.3, 1e-12), maximize=(False, True),
                         padding_idx=(None, 0, -1), layout=(None, "transposed", "narrowed", "strided"),
                         index=("int64", "int32")):
        options = options_of(case)
        padding = {} if case["padding_idx"] is None else {"padding_idx": case["padding_idx"]}
        name = (f"{case['dtype']} 4x{case['columns']} {case['layout'] or 'row-major'}, {case['index']}"
                f"{told(options)}{told(padding)}")
        rng = seeded(name)
        batches = [(indices(index, case["index"]), gradient)
                   for index, gradient in drawn_batches(rng, 4, case["columns"], dtype=case["dtype"])]
        yield Scenario(name, "O19 O24 O28 O29 G9", [
            *table(ugly(rng, (4, case["columns"]), case["dtype"]), layout=case["layout"], sparse=True, **padding),
            optimizer(KIND, options), *trained(KIND, batches)])


def widths():
    """Rows that fill vectors of 4, 8 and 16 numbers, and rows that do not fill the last one."""
    for columns, dtype in itertools.product((1, 3, 5, 8, 9, 16, 17, 33), ("float32", "float64")):
        name = f"{dtype} rows of {columns}"
        rng = seeded(name)
        yield Scenario(name, "O19", [
            *table(ugly(rng, (3, columns), dtype), sparse=True),
            optimizer(KIND, {"lr": 0.05}), *trained(KIND, drawn_batches(rng, 3, columns, (2, 3, 1), dtype))])


def large_batches():
    """From 17 entries on, repeated rows are summed in an order of libtorch's own."""
    for size, rows, dtype in itertools.product((16, 17, 40), (2, 5), ("float32", "float64")):
        name = f"{size} look-ups of {rows} rows, {dtype}"
        rng = seeded(name)
        yield Scenario(name, "O23 G14", [
            *table(ugly(rng, (rows, 2), dtype), sparse=True),
            optimizer(KIND, {"lr": 0.1}), *trained(KIND, drawn_batches(rng, rows, 2, (size,) * 3, dtype))])


def narrow_dtypes():
    """Factors are not rounded to the dtype before they multiply."""
    for dtype, padding, maximize in itertools.product(("float16", "bfloat16"), (None, 1), (False, True)):
        of_table = {} if padding is None else {"padding_idx": padding}
        options = {"lr": 0.125, "eps": 0.001, **({"maximize": True} if maximize else {})}
        name = f"{dtype}{told(options)}{told(of_table)}"
        rng = seeded(name)
        yield Scenario(name, "O26", [
            *table(counting(4, 3, dtype), sparse=True, **of_table), optimizer(KIND, options),
            *trained(KIND, drawn_batches(rng, 4, 3, (4, 2, 3), dtype))])
    yield Scenario("float16: eps=1e-8 is 0 there, and a zero gradient gives nan", "O26", [
        *table(counting(3, 2, "float16"), sparse=True), optimizer(KIND, {}),
        *trained(KIND, [([1, 2], value("float16", [[0, 1], [0, 0]])), ([2, 0], value("float16", [[1, 1], [0, 2]]))])])


def nothing_to_do():
    """An empty gradient counts as a step, and a missing one does not."""
    empty = ([], value("float32", [], [0, 2]))
    padded = ([1, 1], ones([2, 2]))
    some = ([2, 0, 2], value("float32", [[0.5, -1], [2, 0.25], [1.5, 3]]))
    for words, batches in (("empty batch first", (empty, some, some)), ("empty batch in between", (some, empty, some)),
                           ("fully padded batch first", (padded, some, some)),
                           ("fully padded in between", (some, padded, some)),
                           ("two of those before the first row", (empty, padded, some)),
                           ("only those", (empty, padded, empty))):
        for options in ({}, {"lr": 0.1, "beta1": 0.5, "maximize": True}):
            yield Scenario(f"{words}{told(options)}", "O25 O22 G9", [
                *table(counting(4, 2), sparse=True, padding_idx=1), optimizer(KIND, options), *trained(KIND, batches)])
    yield Scenario("steps without a gradient leave no trace", "O4 O24", [
        *table(counting(4, 2), sparse=True), optimizer(KIND, {"lr": 0.1}), *stepped(KIND),
        *backward(*some), *stepped(KIND), do.zero_grad("o"), *stepped(KIND), *backward(*some), *stepped(KIND)])
    for rows, columns, index in ((3, 0, [1, 2, 1]), (0, 2, [])):
        yield Scenario(f"a {rows}x{columns} table", "O25 G11", [
            do.embedding("m", rows, columns, sparse=True), optimizer(KIND, {}),
            *backward(index), *stepped(KIND), *backward(index), *stepped(KIND)])


def explicit_zeros():
    """Rows with a gradient of zero. Their moments decay, and the rows still move by the rest of the moments."""
    zeros, some = value("float32", [[0, 0], [0, "-0"]]), value("float32", [[1, -2], [0.5, 0]])
    for options in ({}, {"lr": 0.1, "beta1": 0.5}, {"lr": 0.1, "beta1": 0.0, "beta2": 0.0}, {"eps": 1e-50}):
        yield Scenario(f"zero gradients first, between and last{told(options)}", "O25", [
            *table(counting(4, 2), sparse=True), optimizer(KIND, options),
            *trained(KIND, [([1, 3], zeros), ([1, 2], some), ([1, 2], zeros), ([3, 1], some), ([3, 1], zeros)])])
    yield Scenario("entries that cancel out", "O23 O25", [
        *table(counting(4, 2), sparse=True), optimizer(KIND, {"lr": 0.1}),
        *trained(KIND, [([1, 1], value("float32", [[1, -2], [-1, 2]]))] * 3)])


def numbers_at_the_edge():
    cases = {
        "infinite": [["inf", 1], ["-inf", "nan"]], "huge": [[1e30, -1e19], [3e38, 1e20]],
        "tiny": [[1e-20, -1e-30], [1e-45, 1e-38]], "of every size": [[1e-6, 1e6], [-1e-3, 1e3]],
    }
    for (words, rows), options in itertools.product(cases.items(), ({}, {"lr": 10.0, "eps": 1e-30})):
        yield Scenario(f"{words} gradients{told(options)}", "O19", [
            *table(counting(3, 2), sparse=True), optimizer(KIND, options),
            *trained(KIND, [([0, 2], value("float32", rows)), ([2, 1], ones([2, 2])), ([0, 2], value("float32", rows))])])
    for options in ({"lr": 1e-320}, {"lr": 1e30}, {"lr": float("inf")}, {"eps": float("inf")}, {"eps": 1e30},
                    {"beta1": 0.9999999999999999}, {"beta2": 0.9999999999999999}, {"beta1": 1e-300, "beta2": 1e-300}):
        name = told(options).removeprefix(", ")
        yield Scenario(name, "O28 O19", [
            *table(counting(3, 2), sparse=True), optimizer(KIND, options),
            *trained(KIND, drawn_batches(seeded("edge", name), 3, 2, (2, 2, 3)))])


def accumulated():
    """Two backward passes before a step. The sum does not depend on how their gradients were joined."""
    pairs = (([1, 0], [1, 2]), ([3, 1, 2], [3, 1, 2]), ([2], [1]), ([1, 1], [1]), ([], [1, 2]), ([0, 1], []))
    for (first, second), memory in itertools.product(pairs, ("contiguous", "expanded", "mixed")):
        name = f"{first} and {second}, {memory}"
        rng = seeded(name)
        given = [ugly(rng, (len(index), 2)) for index in (first, second)]
        gradients = {"contiguous": given, "expanded": (None, None), "mixed": (given[0], None)}[memory]
        yield Scenario(name, "G17 O23", [
            *table(ugly(rng, (4, 2)), sparse=True), optimizer(KIND, {"lr": 0.1}),
            *[step for _ in range(2) for step in (
                do.zero_grad("o"), *backward(first, gradients[0]), *backward(second, gradients[1]), *stepped(KIND))],
            *backward([1, 3], given[0] if len(first) == 2 else ones([2, 2])), *stepped(KIND)])


def documented():
    ones_of = {1: ones([1, 3]), 2: ones([2, 3])}
    w43 = table(counting(4, 3), sparse=True)
    yield Scenario("W43, ones, defaults: [1], [1, 2], [2, 2]", "O21 O22", [
        *w43, optimizer(KIND, {}),
        *trained(KIND, [([1], ones_of[1]), ([1, 2], ones_of[2]), ([2, 2], ones_of[2])])])
    yield Scenario("W43, 0.5 and then -0.25, lr=0.1", "O21", [
        *w43, optimizer(KIND, {"lr": 0.1}),
        *trained(KIND, [([1], value("float32", [[number] * 3])) for number in (0.5, -0.25, 0.125)])])
    yield Scenario("eps stands outside of the bias correction: lr=0.1, eps=0.1", "O20", [
        *w43, optimizer(KIND, {"lr": 0.1, "eps": 0.1}), *trained(KIND, [([1], ones_of[1])] * 3)])
    yield Scenario("float64, [1, 1], lr=0.1", "O23", [
        *table(counting(4, 3, "float64"), sparse=True), optimizer(KIND, {"lr": 0.1}),
        *trained(KIND, [([1, 1], ones([2, 3], "float64"))] * 3)])
    yield Scenario("maximize, lr=0.1", "O29", [
        *w43, optimizer(KIND, {"lr": 0.1, "maximize": True}), *trained(KIND, [([1], ones_of[1])] * 3),
        do.show("m.weight.grad")])
    yield Scenario("a row first seen at step 4 takes step 4's correction", "O22", [
        *w43, optimizer(KIND, {"lr": 0.1}), *trained(KIND, [([0], ones_of[1])] * 3 + [([2], ones_of[1])])])


def gradients_given():
    """A step takes any gradient that is set, coalesced or not, and leaves it unchanged."""
    coalesce = [do.op("coalesce", ["m.weight.grad"], "c"), do.set_grad("m.weight", "c")]
    for memory, maximize in itertools.product(("as it came", "coalesced"), (False, True)):
        options = {"lr": 0.1, **({"maximize": True} if maximize else {})}
        rng = seeded(memory)
        batches = drawn_batches(rng, 4, 2, (5, 3, 4))
        yield Scenario(f"the gradient {memory}{told(options)}", "O4 O19", [
            *table(ugly(rng, (4, 2)), sparse=True), optimizer(KIND, options),
            *[step for batch in batches for step in (
                do.zero_grad("o"), *backward(*batch), *(coalesce if memory == "coalesced" else []),
                *stepped(KIND), do.show("m.weight.grad"))]])
    yield Scenario("the same gradient for three steps", "O4", [
        *table(counting(4, 2), sparse=True), optimizer(KIND, {"lr": 0.1}), *backward([1, 1, 2]),
        *stepped(KIND), *stepped(KIND), *stepped(KIND), do.show("m.weight.grad")])


def scenarios():
    yield from distinct(combinations())
    yield from widths()
    yield from large_batches()
    yield from narrow_dtypes()
    yield from nothing_to_do()
    yield from explicit_zeros()
    yield from numbers_at_the_edge()
    yield from accumulated()
    yield from documented()
    yield from gradients_given()
