"""The library's own SGD, with every option: dense tables move whole, and a sparse gradient's entries are applied one by one."""

import functools
import itertools

import training
from cases import distinct, given, pairwise, tensor, told
from steps import OPTIMIZERS, Scenario, do
from training import backward, dense, drawn_batches, optimizer, state, stepped, table, trained
from values import ALL_FLOATS, counting, indices, ones, seeded, ugly, value

ABOUT = "SGD with momentum, dampening, weight decay, nesterov and maximize, dense and sparse, with PyTorch's momentum buffer."

KIND = "own_sgd"
learn = functools.partial(training.learn, KIND)
NAN, INF = float("nan"), float("inf")
FULL = ("float32", "float64")
MOMENTA = ({}, {"momentum": 0.9}, {"momentum": 0.5, "dampening": 0.25}, {"momentum": 0.7, "nesterov": True},
           {"momentum": 0.9, "dampening": 1.0}, {"momentum": 0.3, "dampening": -0.5}, {"dampening": 0.5}, {"momentum": 1.25})


def options_of(case):
    """The options that differ from the defaults."""
    return {**given(case, *(name for name in OPTIMIZERS[KIND] if name in case)), **case["momenta"]}


def filled(shape, number, dtype="float32"):
    return value(dtype, [number] * (shape[0] * shape[1]), shape)


def combinations(kind, dtypes, layouts, **choices):
    """A float16 table with sparse gradients has no momentum: PyTorch cannot add two sparse float16 tensors."""
    for case in pairwise(seeded("own_sgd", kind), dtype=dtypes, momenta=MOMENTA, lr=(None, 0.1, 0.5, 3.0), columns=(1, 2, 3, 5),
                         maximize=(False, True), padding_idx=(None, 0, -1), layout=layouts, index=("int64", "int32"), **choices):
        options, of_table = options_of(case), {"sparse": kind == "sparse", **given(case, "padding_idx")}
        if kind == "sparse" and case["dtype"] == "float16" and "momentum" in options:
            continue
        name = (f"{kind} {case['dtype']} 4x{case['columns']} {case['layout'] or 'row-major'}, {case['index']}"
                f"{told(options)}{told(given(case, 'padding_idx'))}")
        rng = seeded(name)
        batches = [(indices(index, case["index"]), gradient)
                   for index, gradient in drawn_batches(rng, 4, case["columns"], dtype=case["dtype"])]
        yield Scenario(name, "S7 S8 S9 S11 S13 S14 S15 S18 S19 S22 S23 S26", [
            *table(ugly(rng, (4, case["columns"]), case["dtype"]), layout=case["layout"], **of_table),
            *learn(options, batches)])


def widths():
    """Rows that fill vectors of 4, 8, 16 and 32 numbers, and rows that do not fill the last one."""
    for columns, kind, dtype in itertools.product((1, 3, 8, 9, 16, 17, 31, 33, 64, 65), ("sparse", "dense"), FULL):
        name = f"{kind} {dtype} rows of {columns}"
        rng = seeded(name)
        yield Scenario(name, "S8 S18", [
            *table(ugly(rng, (3, columns), dtype), sparse=kind == "sparse"),
            *learn({"lr": 0.3}, drawn_batches(rng, 3, columns, (2, 4), dtype))])
    for columns, kind, dtype in itertools.product((1, 7, 16, 33), ("sparse", "dense"), FULL):
        name = f"{kind} {dtype} rows of {columns}, momentum=0.7, dampening=0.1"
        rng = seeded(name)
        yield Scenario(name, "S8 S23", [
            *table(ugly(rng, (3, columns), dtype), sparse=kind == "sparse"),
            *learn({"lr": 0.3, "momentum": 0.7, "dampening": 0.1}, drawn_batches(rng, 3, columns, (2, 1, 2), dtype))])


def documented():
    batches = [(index, filled((len(index), 3), upstream))
               for index, upstream in (([1, 2, 1], 0.7), ([2, 2], -0.3), ([0], 1.1))]
    for options in ({"momentum": 0.9, "weight_decay": 0.01}, {"momentum": 0.9, "dampening": 0.1},
                    {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01, "maximize": True}):
        yield Scenario(f"W43, [1, 2, 1], [2, 2], [0]{told(options)}", "S12", [
            *table(counting(4, 3)), *learn({"lr": 0.1, **options}, batches)])
    options = {"momentum": 0.9, "dampening": 0.1}
    yield Scenario(f"W43, sparse, [1, 2, 1], [2, 2], [0]{told(options)}", "S27", [
        *table(counting(4, 3), sparse=True), *learn({"lr": 0.1, **options}, batches)])
    yield Scenario("W43, dense, weight decay and maximize", "O9 S9", [
        *table(counting(4, 3)), *learn({"lr": 0.1, "weight_decay": 0.1, "maximize": True}, [([1], ones([1, 3]))] * 3)])
    yield Scenario("maximize with momentum and weight decay: the buffer holds negated gradients", "S9", [
        *table(ones([1, 1])), *learn({"lr": 0.1, "momentum": 0.9, "weight_decay": 0.5, "maximize": True},
                                     [([0], filled((1, 1), 2))] * 3)])
    for words, options in (("momentum", {"momentum": 0.9}), ("nesterov", {"momentum": 0.9, "nesterov": True}),
                           ("dampening", {"momentum": 0.9, "dampening": 0.5}),
                           ("maximize", {"momentum": 0.9, "maximize": True}),
                           ("all", {"momentum": 0.9, "nesterov": True, "maximize": True})):
        yield Scenario(f"idx [1, 2], [2, 2], [0]: {words}", "O12 O13 S26", [
            *table(counting(4, 3), sparse=True),
            *learn({"lr": 0.1, **options}, [([1, 2], ones([2, 3])), ([2, 2], ones([2, 3])), ([0], ones([1, 3]))])])
    yield Scenario("bfloat16, momentum 0.9, five gradients four times", "S13", [
        *table(counting(5, 1, "bfloat16")),
        *learn({"lr": 0.125, "momentum": 0.9}, [(list(range(5)), value("bfloat16", [[1], [0.7], [0.3], [2], [5]]))] * 4)])
    yield Scenario("float16, momentum 0.9, gradient 7.7 four times", "S13", [
        *table(counting(1, 1, "float16")), *learn({"lr": 0.125, "momentum": 0.9}, [([0], filled((1, 1), 7.7, "float16"))] * 4)])


def order_of_entries():
    """Entries are applied in stored order to a contiguous table, and summed first for any other."""
    orders = ((1e8, 1, -1e8), (1, 1e8, -1e8), (1e8, -1e8, 1))
    for layout, columns in itertools.product((None, "narrowed", "transposed", "strided"), (1, 3)):
        yield Scenario(f"1e8, 1 and -1e8 in the order of the batch, {layout or 'row-major'}, {columns} columns", "S18 S19", [
            *table(ones([2, columns]), layout=layout, sparse=True),
            *learn({"lr": 1.0}, [([1, 1, 1], value("float32", [[number] * columns for number in numbers]))
                                 for numbers in orders])])
    for size, rows, dtype in itertools.product((17, 40), (2, 5), FULL):
        for options in ({}, {"momentum": 0.5}):
            name = f"{size} look-ups of {rows} rows, {dtype}{told(options)}"
            rng = seeded(name)
            yield Scenario(name, "S18 S23 S24", [
                *table(ugly(rng, (rows, 2), dtype), sparse=True),
                *learn({"lr": 0.1, **options}, drawn_batches(rng, rows, 2, (size,) * 3, dtype))])
    for layout, index_dtype in itertools.product((None, "strided", "expanded_columns", "transposed"), ("int64", "int32")):
        name = f"an upstream gradient in memory that is {layout or 'row-major'}, {index_dtype}"
        rng = seeded(name)
        steps = [*table(ugly(rng, (4, 3)), sparse=True), optimizer(KIND, {"lr": 0.3})]
        for index, gradient in drawn_batches(rng, 4, 3, (4, 5)):
            first, *rest = backward(indices(index, index_dtype), gradient)
            steps += [do.zero_grad("o"), first, rest[0], tensor("g", gradient, layout), rest[-1], *stepped(KIND)]
        yield Scenario(name, "S18 S19 S21", steps)


def buffers():
    """How a sparse buffer and a sparse gradient are joined."""
    pairs = (([1, 0], [1, 2]), ([3, 1], [1, 3]), ([2], [1]), ([1, 1], [1]), ([], [1, 2]), ([0, 1, 2], [0, 1, 2]), ([3, 3, 0], [0, 3]))
    choices = ({"momentum": 0.5}, {"momentum": 0.75, "dampening": 0.5}, {"momentum": 0.5, "nesterov": True, "maximize": True})
    for (first, second), memory, options in itertools.product(pairs, ("contiguous", "expanded", "mixed"), choices):
        name = f"batches {first} and {second}, {memory}{told(options)}"
        rng = seeded(name)
        gradients = [ugly(rng, (len(index), 2)) for index in (first, second)]
        sent = {"contiguous": gradients, "expanded": (None, None), "mixed": (gradients[0], None)}[memory]
        yield Scenario(name, "S22 S23 S25 S26", [
            *table(ugly(rng, (4, 2)), sparse=True),
            *learn({"lr": 0.25, **options}, [(first, sent[0]), (second, sent[1]), (first, sent[1] and sent[0])])])
    yield Scenario("the buffer grows with each unsorted batch", "S24", [
        *table(counting(12, 1), sparse=True, padding_idx=11),
        *learn({"lr": 0.5, "momentum": 0.5}, [
            (index, ones([len(index), 1])) for index in ([4, 0], [2, 3], [11, 11], [5, 4, 0], [3, 2], [0, 1, 2, 3])])])
    for dtype in ("float32", "bfloat16"):
        name = f"negative zeros, {dtype}"
        zeros = value(dtype, [["-0", 1], ["-0", "-0"]])
        yield Scenario(name, "S23", [
            *table(counting(4, 2, dtype), sparse=True),
            *learn({"lr": 0.5, "momentum": 0.5}, [([1, 2], zeros), ([2, 3], zeros), ([0, 3], zeros)])])
    for damped in (0.0, 0.5, 1.0):
        yield Scenario(f"an empty batch makes a buffer without entries, dampening={damped}", "S25 S29", [
            *table(counting(4, 1), sparse=True),
            *learn({"lr": 1.0, "momentum": 0.9, "dampening": damped},
                   [([], value("float32", [], [0, 1])), ([1], ones([1, 1])), ([], value("float32", [], [0, 1])), ([1, 2], ones([2, 1]))])])
    for options in ({"momentum": 0.5}, {"momentum": 0.5, "nesterov": True}):
        rng = seeded("coalesced", *options)
        steps = [*table(ugly(rng, (4, 2)), sparse=True), optimizer(KIND, {"lr": 0.25, **options})]
        for batch in drawn_batches(rng, 4, 2, (5, 4, 3)):
            steps += [do.zero_grad("o"), *backward(*batch), do.op("coalesce", ["m.weight.grad"], "c"),
                      do.set_grad("m.weight", "c"), *stepped(KIND)]
        yield Scenario(f"coalesced gradients keep the buffer small{told(options)}", "S23 S24", steps)


def sparse_and_dense_in_turn():
    for options in ({}, {"momentum": 0.9}, {"momentum": 0.9, "dampening": 0.25}, {"momentum": 0.5, "maximize": True}):
        for dtype in FULL:
            name = f"a dense gradient first, then sparse ones, {dtype}{told(options)}"
            rng = seeded(name)
            batches = drawn_batches(rng, 4, 2, (4, 5, 2), dtype)
            yield Scenario(name, "S28", [
                *table(ugly(rng, (4, 2), dtype), sparse=True), optimizer(KIND, {"lr": 0.1, **options}),
                *dense(*batches[0]), *stepped(KIND), *trained(KIND, batches[1:])])
    rng = seeded("sparse, dense")
    first, second = drawn_batches(rng, 4, 2, (3, 4))
    yield Scenario("sparse and dense in turn without momentum", "S7 S18", [
        *table(ugly(rng, (4, 2)), sparse=True), optimizer(KIND, {"lr": 0.1}), *trained(KIND, [first]),
        *dense(*second), *stepped(KIND), *trained(KIND, [first])])
    for dtype in FULL:
        name = f"sparse and dense look-ups add to one dense gradient, {dtype}"
        rng = seeded(name)
        index, gradient = drawn_batches(rng, 4, 2, (4,), dtype)[0]
        yield Scenario(name, "S7 G16", [
            *table(ugly(rng, (4, 2), dtype), sparse=True), optimizer(KIND, {"lr": 0.1, "momentum": 0.5}),
            *[step for _ in range(2) for step in (
                do.zero_grad("o"), *dense(index, gradient, drop=False), *backward(index, gradient), *stepped(KIND),
                do.show("m.weight.grad"))]])


def decay_and_padding():
    """Weight decay moves all rows of a dense table, the padding row too; momentum alone does not."""
    batches = [([1, 2, 1], (3, 3)), ([0], (1, 3)), ([2, 0], (2, 3))]
    for options in ({"weight_decay": 0.5}, {"momentum": 0.9, "nesterov": True}, {"momentum": 0.9, "weight_decay": 0.01},
                    {"momentum": 0.9, "nesterov": True, "weight_decay": 0.25}, {"weight_decay": 0.5, "maximize": True},
                    {"momentum": 0.9, "dampening": 0.1, "weight_decay": 0.3, "maximize": True}):
        for dtype in ALL_FLOATS:
            yield Scenario(f"dense, padding_idx=1, {dtype}{told(options)}", "O17 S9", [
                *table(counting(4, 3, dtype), padding_idx=1),
                *learn({"lr": 0.1, **options}, [(index, ones(shape, dtype)) for index, shape in batches])])


def half_blocks():
    """Whole blocks of 32 elements of a dense half table are rounded in another way than the rest."""
    for dtype, (rows, columns), layout in itertools.product(
            ("float16", "bfloat16"), ((1, 32), (3, 11), (1, 65), (2, 40)), (None, "strided", "transposed")):
        options = {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.07}
        name = f"dense {dtype} {rows}x{columns} {layout or 'row-major'}"
        rng = seeded(name)
        yield Scenario(name, "S13 S14", [
            *table(ugly(rng, (rows, columns), dtype), layout=layout),
            *learn({"lr": 0.3, **options}, drawn_batches(rng, rows, columns, (2, 3, 1), dtype))])
    for dtype, columns in itertools.product(("float16", "bfloat16"), (1, 31, 32, 33)):
        name = f"sparse {dtype} rows of {columns}"
        rng = seeded(name)
        yield Scenario(name, "S15", [
            *table(ugly(rng, (3, columns), dtype), sparse=True),
            *learn({"lr": 0.3}, drawn_batches(rng, 3, columns, (2, 4), dtype))])


def nothing_to_do():
    empty, padded = ([], value("float32", [], [0, 2])), ([1, 1], ones([2, 2]))
    some = ([2, 0, 2], value("float32", [[0.5, -1], [2, 0.25], [1.5, 3]]))
    for (words, batches), is_sparse, options in itertools.product(
            (("empty first", (empty, some, some)), ("empty in between", (some, empty, some)),
             ("fully padded first", (padded, some, some)), ("fully padded in between", (some, padded, some)),
             ("only those", (empty, padded, empty))),
            (False, True), ({}, {"momentum": 0.5, "dampening": 0.25})):
        yield Scenario(f"{'sparse' if is_sparse else 'dense'}: {words}{told(options)}", "S25 S29 G9 G27", [
            *table(counting(4, 2), sparse=is_sparse, padding_idx=1), *learn({"lr": 0.1, **options}, batches)])
    for is_sparse, options in itertools.product((False, True), ({}, {"momentum": 0.5})):
        yield Scenario(f"steps without a gradient, {'sparse' if is_sparse else 'dense'}{told(options)}", "S31 S38", [
            *table(counting(4, 2), sparse=is_sparse), optimizer(KIND, {"lr": 0.1, **options}), *stepped(KIND),
            *backward(*some), *stepped(KIND), do.zero_grad("o"), do.show("m.weight.grad"), *stepped(KIND),
            *backward(*some), *stepped(KIND)])
    for rows, columns, index in ((3, 0, [1, 2, 1]), (0, 2, [])):
        for options in ({}, {"momentum": 0.5}):
            yield Scenario(f"a {rows}x{columns} table{told(options)}", "S29 G11", [
                do.embedding("m", rows, columns, sparse=True), optimizer(KIND, options),
                *backward(index), *stepped(KIND), *backward(index), *stepped(KIND)])
    zero = ([1, 3], value("float32", [[0, "-0"], [0, 0]]))
    for is_sparse in (False, True):
        yield Scenario(f"a gradient of zeros moves by momentum, {'sparse' if is_sparse else 'dense'}", "S38", [
            *table(counting(4, 2), sparse=is_sparse),
            *learn({"lr": 0.1, "momentum": 0.9}, [([1, 2], ones([2, 2])), zero, zero])])


def accumulated():
    """Gradients that add before the step: dense in place, sparse by merging or appending."""
    for is_sparse, memory, options in itertools.product(
            (False, True), ("contiguous", "expanded", "mixed"), ({}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True})):
        name = f"two backward passes, {'sparse' if is_sparse else 'dense'}, {memory}{told(options)}"
        rng = seeded(name)
        calls = [([1, 0, 3], ugly(rng, (3, 2))), ([1, 2, 1], ugly(rng, (3, 2)))]
        plain = {"contiguous": (True, True), "expanded": (False, False), "mixed": (True, False)}[memory]
        both = [step for (index, gradient), is_plain in zip(calls, plain) for step in backward(index, gradient if is_plain else None)]
        yield Scenario(name, "S21 G16 G17", [
            *table(ugly(rng, (4, 2)), sparse=is_sparse), optimizer(KIND, {"lr": 0.3, **options}),
            *[step for _ in range(3) for step in (do.zero_grad("o"), *both, *stepped(KIND), do.show("m.weight.grad"))]])


def switched():
    """Options that change between the steps."""
    changes = {"momentum switched on": ((), ("momentum", 0.9), ()), "momentum switched off and on": (
        ("momentum", 0.9), ("momentum", 0.0), ("momentum", 0.5)), "dampening set": (("momentum", 0.9), ("dampening", 0.5), ()),
        "nesterov set": (("momentum", 0.9), ("nesterov", True), ("nesterov", False)),
        "maximize set": (("momentum", 0.9), ("maximize", True), ("maximize", False)),
        "the rate set": (("lr", 0.3), ("lr", 0.0), ("lr", -0.5))}
    for (words, steps), is_sparse in itertools.product(changes.items(), (False, True)):
        name = f"{'sparse' if is_sparse else 'dense'}: {words}"
        rng = seeded(name)
        made = [*table(ugly(rng, (4, 2)), sparse=is_sparse), optimizer(KIND, {"lr": 0.1})]
        for change, batch in zip(steps, drawn_batches(rng, 4, 2, (3, 4, 2))):
            made += [*([do.set_option("o", *change)] if change else []), *trained(KIND, [batch])]
        yield Scenario(name, "S32 S33", made)
    rng = seeded("weight decay switched")
    made = [*table(ugly(rng, (4, 2))), optimizer(KIND, {"lr": 0.1, "momentum": 0.5})]
    for decay, batch in zip((0.0, 0.5, 0.0), drawn_batches(rng, 4, 2, (3, 4, 2))):
        made += [do.set_option("o", "weight_decay", decay), *trained(KIND, [batch])]
    yield Scenario("dense: weight decay switched on and off", "S32", made)


def closures():
    for is_sparse, options, mode in itertools.product(
            (False, True), ({}, {"momentum": 0.9}, {"momentum": 0.5, "nesterov": True}), ({}, {"no_grad": True})):
        yield Scenario(f"a closure, {'sparse' if is_sparse else 'dense'}{told(options)}{told(mode)}", "S31", [
            *table(counting(4, 2), sparse=is_sparse), optimizer(KIND, {"lr": 0.25, **options}),
            do.tensor("i", indices([1, 3, 1])), do.step("o", "m", "i", gives=True, **mode), do.show("m.weight"),
            do.show("m.weight.grad"), do.tensor("i", indices([2, 3])), do.step("o", "m", "i", gives=True, **mode),
            do.show("m.weight"), *state(KIND)])


def listed_twice():
    """A parameter that comes twice in the list is stepped twice, and the first step makes its buffer twice."""
    for is_sparse, options in itertools.product(
            (False, True), ({}, {"momentum": 0.9}, {"momentum": 0.5, "dampening": 0.5}, {"momentum": 0.9, "nesterov": True})):
        yield Scenario(f"one table twice in the list, {'sparse' if is_sparse else 'dense'}{told(options)}", "S5", [
            *table(ones([3, 1]), sparse=is_sparse), optimizer(KIND, {"lr": 0.1, **options}, ("m.weight", "m.weight")),
            *trained(KIND, [([0, 2], ones([2, 1])), ([0, 2], ones([2, 1])), ([2, 1], ones([2, 1]))])])


def scenarios():
    yield from distinct(combinations("dense", ALL_FLOATS, (None, "transposed", "narrowed", "strided"),
                                     weight_decay=(None, 0.1, 2.0)))
    yield from distinct(combinations("sparse", ("float32", "float64", "bfloat16", "float16"),
                                     (None, "transposed", "narrowed", "strided")))
    yield from widths()
    yield from documented()
    yield from order_of_entries()
    yield from buffers()
    yield from sparse_and_dense_in_turn()
    yield from decay_and_padding()
    yield from half_blocks()
    yield from nothing_to_do()
    yield from accumulated()
    yield from switched()
    yield from closures()
    yield from listed_twice()
