"""TorchSharp's SGD: a sparse gradient's entries are applied one by one, and a sparse momentum buffer only grows."""

import itertools

from cases import distinct, given, pairwise, told
from steps import Scenario, do
from training import backward, drawn_batches, optimizer, stepped, table, trained
from values import ALL_FLOATS, counting, ones, seeded, ugly, value

ABOUT = "SGD moves dense tables whole and sparse ones by their entries, with and without momentum."

KIND = "sgd"
# .NET uses TorchSharp's SGD, which implements maximize by negating the learning rate. The buffer then has the other sign, so it is not
# shown. With weight decay the result is wrong, so such scenarios are left out.
MOMENTA = ({}, {"momentum": 0.9}, {"momentum": 0.5, "dampening": 0.25}, {"momentum": 0.7, "nesterov": True},
           {"maximize": True}, {"momentum": 0.9, "maximize": True}, {"momentum": 0.3, "nesterov": True, "maximize": True})


def shows_buffer(options):
    return "momentum" in options and "maximize" not in options


def learn(options, batches):
    return [optimizer(KIND, options), *trained(KIND, batches, shows_buffer(options))]


def combinations():
    for case in pairwise(seeded("sgd"), dtype=ALL_FLOATS, sparse=(False, True), momentum=MOMENTA, lr=(0.1, 0.5, 3.0),
                         columns=(1, 2, 3, 5), padding_idx=(None, 0, -1), layout=(None, "transposed", "narrowed")):
        momentum = case["momentum"]
        if "momentum" in momentum and case["dtype"] in ("float16", "bfloat16"):
            continue  # TorchSharp rounds the momentum to the dtype before it multiplies, and PyTorch does not
        options = {"lr": case["lr"], **momentum}
        of_table = given(case, "padding_idx", "sparse")
        name = f"{case['dtype']} 4x{case['columns']} {case['layout'] or 'row-major'}{told(options)}{told(of_table)}"
        rng = seeded(name)
        yield Scenario(name, "O8 O10 O12 O13 G9", [
            *table(ugly(rng, (4, case["columns"]), case["dtype"]), layout=case["layout"], **of_table),
            *learn(options, drawn_batches(rng, 4, case["columns"], dtype=case["dtype"]))])


def widths():
    for columns, sparse, dtype in itertools.product((1, 3, 8, 16, 17, 33), (False, True), ("float32", "float64")):
        name = f"{'sparse' if sparse else 'dense'} {dtype} rows of {columns}"
        rng = seeded(name)
        yield Scenario(name, "O8 O10", [
            *table(ugly(rng, (3, columns), dtype), sparse=sparse),
            *learn({"lr": 0.1, "momentum": 0.9}, drawn_batches(rng, 3, columns, (2, 1, 2), dtype))])


def documented():
    w43 = counting(4, 3)
    yield Scenario("W43, dense, idx 1, lr=0.1, weight_decay=0.1", "O9", [
        *table(w43), *learn({"lr": 0.1, "weight_decay": 0.1}, [([1], ones([1, 3]))] * 3)])
    for dtype, index in (("float32", [1, 2, 1]), ("float64", [1, 1]), ("float16", [1, 1]), ("bfloat16", [1, 1])):
        yield Scenario(f"W43, sparse, idx {index}, lr=0.1, {dtype}", "O10 O11", [
            *table(counting(4, 3, dtype), sparse=True), *learn({"lr": 0.1}, [(index, ones([len(index), 3], dtype))] * 3)])
    yield Scenario("1e8, 1 and -1e8 in the order of the batch", "O10", [
        *table(ones([2, 1]), sparse=True),
        *learn({"lr": 1.0}, [([1, 1, 1], value("float32", [[number] for number in numbers]))
                             for numbers in ((1e8, 1, -1e8), (1, 1e8, -1e8), (1e8, -1e8, 1))])])
    for words, options in (("momentum", {"momentum": 0.9}), ("nesterov", {"momentum": 0.9, "nesterov": True}),
                           ("dampening", {"momentum": 0.9, "dampening": 0.5}),
                           ("maximize", {"momentum": 0.9, "maximize": True})):
        yield Scenario(f"idx [1, 2], [2, 2], [0]: {words}", "O12 O13", [
            *table(w43, sparse=True),
            *learn({"lr": 0.1, **options}, [([1, 2], ones([2, 3])), ([2, 2], ones([2, 3])), ([0], ones([1, 3]))])])
    yield Scenario("the buffer grows with each batch", "O12 O18", [
        *table(counting(12, 1), sparse=True, padding_idx=11),
        *learn({"lr": 0.5, "momentum": 0.5}, [
            (index, ones([len(index), 1])) for index in ([0, 1], [2, 3], [11, 11], [4, 0], [5])])])


def buffers():
    """How a sparse buffer and a sparse gradient are joined depends on their memory."""
    pairs = (([1, 0], [1, 2]), ([3, 1], [1, 3]), ([2], [1]), ([1, 1], [1]), ([], [1, 2]))
    for (first, second), memory in itertools.product(pairs, ("contiguous", "expanded", "mixed")):
        for options in ({"momentum": 0.5}, {"momentum": 0.75, "dampening": 0.5}):
            name = f"batches {first} and {second}, {memory}{told(options)}"
            rng = seeded(name)
            gradients = [ugly(rng, (len(index), 2)) for index in (first, second)]
            sent = {"contiguous": gradients, "expanded": (None, None), "mixed": (gradients[0], None)}[memory]
            yield Scenario(name, "O12 G17", [
                *table(ugly(rng, (4, 2)), sparse=True),
                *learn({"lr": 0.25, **options}, [(first, sent[0]), (second, sent[1]), (first, sent[1] and sent[0])])])
    yield Scenario("a dense buffer takes sparse gradients", "O14", [
        *table(counting(4, 2), sparse=True), optimizer(KIND, {"lr": 0.1, "momentum": 0.9}),
        do.tensor("i", value("int64", [1, 3])), do.functional("y", "i", "m.weight", gives=False),
        do.op("sum", ["y"], "s"), do.backward("s"), *stepped(KIND),
        *trained(KIND, [([1, 1], ones([2, 2])), ([2], ones([1, 2]))])])


def decay_and_padding():
    """Weight decay moves all rows of a dense table, the padding row too; momentum alone does not."""
    batches = [([1, 2, 1], ones([3, 3])), ([0], ones([1, 3])), ([2, 0], ones([2, 3]))]
    for options in ({"weight_decay": 0.5}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True},
                    {"momentum": 0.9, "weight_decay": 0.01}, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.25},
                    {"momentum": 0.9, "dampening": 0.1, "weight_decay": 0.3}):
        for dtype in ("float32", "float64"):
            yield Scenario(f"dense, padding_idx=1, {dtype}{told(options)}", "O17 O8", [
                *table(counting(4, 3, dtype), padding_idx=1),
                *learn({"lr": 0.1, **options}, [(index, ones(gradient["shape"], dtype)) for index, gradient in batches])])


def nothing_to_do():
    empty, padded = ([], value("float32", [], [0, 2])), ([1, 1], ones([2, 2]))
    some = ([2, 0, 2], value("float32", [[0.5, -1], [2, 0.25], [1.5, 3]]))
    for (words, batches), sparse, momentum in itertools.product(
            (("empty first", (empty, some, some)), ("empty in between", (some, empty, some)),
             ("fully padded first", (padded, some, some)), ("fully padded in between", (some, padded, some))),
            (False, True), (None, 0.5)):
        options = {"lr": 0.1, **({"momentum": momentum} if momentum else {})}
        yield Scenario(f"{'sparse' if sparse else 'dense'}: {words}{told(options)}", "O18 G9 G27", [
            *table(counting(4, 2), sparse=sparse, padding_idx=1), *learn(options, batches)])
    for sparse, momentum in itertools.product((False, True), (None, 0.5)):
        options = {"lr": 0.1, **({"momentum": momentum} if momentum else {})}
        yield Scenario(f"steps without a gradient, {'sparse' if sparse else 'dense'}{told(options)}", "O4", [
            *table(counting(4, 2), sparse=sparse), optimizer(KIND, options), *stepped(KIND),
            *backward(*some), *stepped(KIND), do.zero_grad("o"), *stepped(KIND), *backward(*some), *stepped(KIND)])


def accumulated():
    """Gradients that add before the step: dense in place, sparse by merging or appending."""
    for sparse, memory, dtype in itertools.product((False, True), ("contiguous", "expanded"), ("float32", "float64")):
        name = f"two backward passes, {'sparse' if sparse else 'dense'}, {memory}, {dtype}"
        rng = seeded(name)
        calls = [([1, 0, 3], ugly(rng, (3, 2), dtype)), ([1, 2, 1], ugly(rng, (3, 2), dtype))]
        both = [step for index, gradient in calls for step in backward(index, None if memory == "expanded" else gradient)]
        yield Scenario(name, "G16 G17 O10", [
            *table(ugly(rng, (4, 2), dtype), sparse=sparse), optimizer(KIND, {"lr": 0.3}),
            *[step for _ in range(3) for step in (do.zero_grad("o"), *both, *stepped(None), do.show("m.weight.grad"))]])


def many_entries():
    """SGD applies entries in their own order, so the result does not depend on a sort."""
    for size, rows, dtype in itertools.product((17, 40), (2, 5), ("float32", "float64")):
        name = f"{size} look-ups of {rows} rows, {dtype}"
        rng = seeded(name)
        yield Scenario(name, "O10 G14", [
            *table(ugly(rng, (rows, 2), dtype), sparse=True),
            *learn({"lr": 0.1}, drawn_batches(rng, rows, 2, (size,) * 3, dtype))])


def scenarios():
    yield from distinct(combinations())
    yield from widths()
    yield from documented()
    yield from buffers()
    yield from decay_and_padding()
    yield from nothing_to_do()
    yield from accumulated()
    yield from many_entries()
