"""clip_grad_norm_: the gradients of sparse and dense tables are scaled together, so that their norm is at most max_norm."""

import itertools

from cases import distinct, pairwise, tensor, told
from steps import Scenario, do
from training import backward, optimizer, stepped, table
from values import ALL_FLOATS, counting, indices, ones, seeded, sparse, ugly, value

ABOUT = "The total norm is that of the gradients' norms, a sparse one summed by rows first; every gradient is scaled in place."

NAN, INF = float("nan"), float("inf")
FULL = ("float32", "float64")
MAX_NORMS = (1.0, 0.0, -1.0, 0.3, 3.0, 1e6, INF)
# The sum of a 2-norm in float64, and the powers of the other norms, have bits that depend on the build: their values are round here.
PORTABLE = (1.0, INF, -INF, 0.0)


def round_values(rng, shape, dtype="float32"):
    """Multiples of 1/8: their squares are summed without rounding."""
    return value(dtype, [rng.randrange(-24, 25) / 8 for _ in range(shape[0] * shape[1])], shape)


def values_for(rng, shape, dtype, norm_type):
    return (ugly if dtype == "float32" and norm_type == 2.0 or norm_type in PORTABLE else round_values)(rng, shape, dtype)


def clip(parameters, max_norm=1.0, **options):
    return do.clip_grad_norm(list(parameters), max_norm, **options)


def clipped(*parameters, max_norm=1.0, raises=False, **options):
    """A call, and every gradient after it."""
    names = parameters or ("m.weight",)
    return [do.clip_grad_norm(list(names), max_norm, **options, raises=raises),
            *[do.show(f"{name}.grad") for name in dict.fromkeys(names)]]


def given(name, gradient, like, is_sparse=False):
    """A table with a gradient that is set by hand."""
    return [*table(like, name, sparse=is_sparse), do.tensor("g", gradient), do.set_grad(f"{name}.weight", "g")]


def hand_made(name, nested, dtype="float32"):
    gradient = value(dtype, nested)
    return given(name, gradient, ones(gradient["shape"], dtype))


def entries(name, index, nested, rows=4, dtype="float32", coalesced=False):
    values = nested if isinstance(nested, dict) else value(dtype, nested)
    width = values["shape"][1]
    gradient = sparse(value("int64", [index], [1, len(index)]), values, [rows, width], coalesced or len(index) < 2)
    return given(name, gradient, ones([rows, width], values["dtype"]), True)


def combinations():
    for case in pairwise(seeded("clip"), dtype=("float32", "float64", "float16", "bfloat16"), kind=("sparse", "dense"),
                         norm_type=(2.0, 1.0, INF, 0.0, -INF), max_norm=MAX_NORMS, columns=(1, 2, 3, 5), size=(1, 4, 6),
                         padding_idx=(None, 0)):
        dtype, norm_type = case["dtype"], case["norm_type"]
        padding = {} if case["padding_idx"] is None else {"padding_idx": 0}
        if padding and case["size"] == 1:
            continue  # a batch of padding alone has no norm of the type inf
        if dtype == "float16" and case["max_norm"] == 0.0:
            continue  # 1e-6 has an infinite reciprocal there: a case of its own
        name = (f"{case['kind']} {dtype} 4x{case['columns']}, {case['size']} look-ups, max_norm={case['max_norm']}, "
                f"norm_type={norm_type}{told(padding)}")
        rng = seeded(name)
        index = [1, *(rng.randrange(4) for _ in range(case["size"] - 1))]
        yield Scenario(name, "C1 C2 C3 C4 C6 C18 C19", [
            *table(ugly(rng, (4, case["columns"]), dtype), sparse=case["kind"] == "sparse", **padding),
            *backward(index, values_for(rng, (case["size"], case["columns"]), dtype, norm_type)),
            *clipped(max_norm=case["max_norm"], norm_type=norm_type)])


def together():
    """Sparse and dense gradients in one call, in any order, and of several dtypes."""
    for order, norm_type, max_norm in itertools.product(
            (("sparse", "dense"), ("dense", "sparse"), ("sparse", "sparse", "dense"), ("dense", "dense", "sparse")),
            (2.0, 1.0, INF, 0.0), (0.5, 1000.0)):
        name = f"{', '.join(order)}, max_norm={max_norm}, norm_type={norm_type}"
        rng = seeded(name)
        steps, names = [], []
        for at, kind in enumerate(order):
            module = "abc"[at]
            names.append(f"{module}.weight")
            steps += [*table(ugly(rng, (4, 2 + at)), module, sparse=kind == "sparse"),
                      *backward([rng.randrange(4) for _ in range(3)], round_values(rng, (3, 2 + at)), module)]
        yield Scenario(name, "C2 C22", [*steps, *clipped(*names, max_norm=max_norm, norm_type=norm_type)])
    for first, second in itertools.permutations(ALL_FLOATS, 2):
        for norm_type in (2.0, 1.0, INF):
            name = f"{first} sparse and {second} dense, norm_type={norm_type}"
            rng = seeded(name)
            yield Scenario(name, "C2 C4", [
                *table(counting(4, 2, first), "a", sparse=True), *backward([1, 2, 1], round_values(rng, (3, 2), first), "a"),
                *table(counting(4, 2, second), "b"), *backward([3, 0], round_values(rng, (2, 2), second), "b"),
                *clipped("a.weight", "b.weight", max_norm=0.7, norm_type=norm_type)])
    # Their norms differ by so much that the order of the sum shows in its last bit.
    for first, norm_type, draw in itertools.product(("float32", "float64"), (1.0, 3.0), range(4)):
        name = f"{first} in turn with the other full dtype, norm_type={norm_type}, draw {draw}"
        rng, steps, names = seeded(name), [], "abcdef"
        for at, module in enumerate(names):
            dtype = first if at % 2 == 0 else {"float32": "float64", "float64": "float32"}[first]
            steps += hand_made(module, [[rng.randrange(1, 1 << 20) / 1000.0 ** (at % 3 + 1)]], dtype)
        yield Scenario(name, "C2", [*steps, *clipped(*[f"{module}.weight" for module in names], norm_type=norm_type)])


def documented():
    for max_norm in (1.0, 5.0, 5.000001, 6.0, 0.0, -1.0, INF, NAN):
        yield Scenario(f"[3, 4], max_norm={max_norm}", "C5 C6", [*hand_made("m", [[3, 4]]), *clipped(max_norm=max_norm)])
    for numbers, max_norm in (((20, 21), 3.0), ((9, 40), 0.3)):
        yield Scenario(f"{list(numbers)}, max_norm={max_norm}", "C3", [*hand_made("m", [numbers]), *clipped(max_norm=max_norm)])
    for norm_type in (2.0, 1.0, 0.5, INF, 0.0, -INF, -1.0, -2.0, NAN, 0.001, 1000.0):
        yield Scenario(f"[3, 4] and [12], norm_type={norm_type}", "C7 C8", [
            *hand_made("a", [[3, 4]]), *hand_made("b", [[12]]), *clipped("a.weight", "b.weight", norm_type=norm_type)])
        yield Scenario(f"[3, 0] and [0, 0], norm_type={norm_type}", "C8", [
            *hand_made("a", [[3, 0]]), *hand_made("b", [[0, 0]]), *clipped("a.weight", "b.weight", norm_type=norm_type)])
        yield Scenario(f"sparse [1, 2, 1] and dense [12], norm_type={norm_type}", "C21", [
            *entries("a", [1, 2, 1], [[1, 2], [3, 4], [2, 2]]), *hand_made("b", [[12]]),
            *clipped("a.weight", "b.weight", norm_type=norm_type)])
    yield Scenario("sparse [1, 1, 3], ones", "C21", [*entries("m", [1, 1, 3], [[1, 1]] * 3), *clipped()])
    yield Scenario("entries that cancel count as what is left", "C18", [
        *entries("m", [1, 2, 1], [[1, 2], [3, 4], [-1, -2]]), *clipped()])
    for dtype, rows in (("float32", [[2e19, 2e19]]), ("float32", [[1e-30, 1e-30]]), ("float64", [[1e-200, 1e-200]])):
        yield Scenario(f"{rows[0]} in {dtype}: squares that overflow or vanish", "C2", [*hand_made("m", rows, dtype), *clipped()])


def layouts_of_entries():
    """The stored entries are scaled one by one: order, duplicates and the coalesced flag stay."""
    cases = {"one entry": ([2], [[3, 4]], False), "coalesced": ([0, 2], [[3, 4], [0, 12]], True),
             "unsorted": ([2, 0], [[3, 4], [0, 12]], False), "duplicates": ([2, 0, 2, 2], [[3, 4], [0, 12], [1, 0], [-4, -4]], False),
             "all cancel": ([1, 1], [[3, 4], [-3, -4]], False), "zeros": ([1, 3], [[0, "-0"], [0, 0]], False),
             "no width": ([1, 1], value("float32", [], [2, 0]), False)}
    for (words, (index, nested, coalesced)), norm_type in itertools.product(cases.items(), (2.0, 1.0, 0.0, INF)):
        if words == "no width" and norm_type == INF:
            continue
        yield Scenario(f"{words}, norm_type={norm_type}", "C18 C19", [
            *entries("m", index, nested, coalesced=coalesced), *clipped(norm_type=norm_type)])
    for size, rows in itertools.product((17, 40), (2, 5)):
        name = f"{size} look-ups of {rows} rows"
        rng = seeded(name)
        yield Scenario(name, "C18 G14", [
            *table(ugly(rng, (rows, 2)), sparse=True),
            *backward([rng.randrange(rows) for _ in range(size)], round_values(rng, (size, 2))), *clipped()])
    for memory, is_sparse in itertools.product(("transposed", "strided", "narrowed", "expanded"), (True, False)):
        name = f"an upstream gradient that is {memory}, {'sparse' if is_sparse else 'dense'}"
        rng = seeded(name)
        first, rest, _, last = backward([1, 2, 1], round_values(rng, (3, 2)))
        upstream = tensor("g", round_values(rng, (3, 2)), memory)
        yield Scenario(name, "C19", [
            *table(counting(4, 2), sparse=is_sparse), first, rest, upstream, last, *clipped(), do.show("g")])
    for layout in ("transposed", "strided", "narrowed"):
        yield Scenario(f"a dense gradient of a table that is {layout}", "C4", [
            *table(counting(4, 3), layout=layout), *backward([1, 2, 1], round_values(seeded(layout), (3, 3))), *clipped()])


def several_passes():
    for is_sparse, norm_type in itertools.product((True, False), (2.0, 1.0, INF)):
        name = f"two passes, clipped, and a third, clipped again, {'sparse' if is_sparse else 'dense'}, norm_type={norm_type}"
        rng = seeded(name)
        passes = [backward(index, round_values(rng, (3, 2))) for index in ([1, 0, 3], [1, 2, 1], [0, 0, 2])]
        yield Scenario(name, "C23 G17", [
            *table(counting(4, 2), sparse=is_sparse), *passes[0], *passes[1], *clipped(norm_type=norm_type),
            *passes[2], do.show("m.weight.grad"), *clipped(norm_type=norm_type)])
    for is_sparse in (True, False):
        name = f"expanded memory: the sum's backward pass, {'sparse' if is_sparse else 'dense'}"
        yield Scenario(name, "C19 S21", [*table(counting(4, 2), sparse=is_sparse), *backward([1, 3, 1]), *clipped()])


def which_parameters():
    for empty in ([], ["m.weight"], ["m.weight", "m.weight"]):
        for error_if_nonfinite in (False, True):
            yield Scenario(f"{len(empty)} parameters without a gradient{', error_if_nonfinite' if error_if_nonfinite else ''}", "C9", [
                *table(counting(3, 2, "float64")), *clipped(*empty, error_if_nonfinite=error_if_nonfinite)] if empty else [
                clip([], error_if_nonfinite=error_if_nonfinite)])
    yield Scenario("one of three parameters has no gradient", "C9", [
        *hand_made("a", [[3, 4]]), *table(counting(3, 2), "b"), *entries("c", [1, 1], [[6, 0], [6, 0]]),
        *clipped("a.weight", "b.weight", "c.weight")])
    for is_sparse in (False, True):
        made = entries("m", [1], [[3, 4]]) if is_sparse else hand_made("m", [[3, 4]])
        yield Scenario(f"one parameter twice, {'sparse' if is_sparse else 'dense'}", "C11", [
            *made, *clipped("m.weight", "m.weight")])
    yield Scenario("two layers with one table", "C11 M16", [
        *hand_made("a", [[3, 4]]), *table(counting(1, 2), "b"), do.set_weight("b", "a.weight"), *clipped("a.weight", "b.weight")])
    yield Scenario("tied to a projection, whose gradient is dense", "M16 C22", [
        *table(counting(4, 3), sparse=True), do.linear("l", 3, 4), do.set_weight("l", "m.weight"), do.tensor("i", indices([1, 3])),
        do.forward("m", "i", "y", gives=False), do.forward("l", "y", "z", gives=False), do.op("sum", ["z"], "s"), do.backward("s"),
        *clipped()])


def not_finite():
    for rows, is_sparse, norm_type in itertools.product(
            ([["inf", 1]], [["-inf", 0]], [[3e38, 3e38]]), (False, True), (2.0, 1.0, INF, 0.5)):
        made = entries("m", [1], rows) if is_sparse else hand_made("m", rows)
        text = f"{rows[0]}, {'sparse' if is_sparse else 'dense'}, norm_type={norm_type}"
        yield Scenario(f"{text}", "C14", [*made, clip(["m.weight"], norm_type=norm_type), do.show("m.weight.grad.is_sparse")])
        if rows[0][0] == "inf":
            yield Scenario(f"{text}, error_if_nonfinite", "C13", [
                *made, *clipped(norm_type=norm_type, error_if_nonfinite=True, raises=True)])
    for norm_type in (2.0, 1.0, INF, 3.0, -1.0, 7.25):
        yield Scenario(f"a NaN, norm_type={norm_type}, error_if_nonfinite", "C13", [
            *hand_made("a", [[3, 4]]), *entries("b", [1, 2], [["nan", 1], [2, 3]]),
            *clipped("a.weight", "b.weight", norm_type=norm_type, error_if_nonfinite=True, raises=True)])
    for is_sparse in (False, True):
        made = entries("m", [1], [[3, 4]]) if is_sparse else hand_made("m", [[3, 4]])
        yield Scenario(f"finite gradients, error_if_nonfinite, {'sparse' if is_sparse else 'dense'}", "C13", [
            *made, *clipped(error_if_nonfinite=True)])


def zero_gradients():
    for dtype, is_sparse, max_norm in itertools.product(ALL_FLOATS, (False, True), (1.0, 0.0)):
        if dtype == "float16" and max_norm == 0.0:
            continue
        nested = [[0, 0], ["-0", 0]]
        made = entries("m", [1, 2], value(dtype, nested)) if is_sparse else hand_made("m", nested, dtype)
        yield Scenario(f"zeros, {'sparse' if is_sparse else 'dense'} {dtype}, max_norm={max_norm}", "C6 C15", [
            *made, *clipped(max_norm=max_norm)])
    for norm_type in (2.0, 1.0, 0.0, 0.5, -1.0):
        for others in (True, False):
            names = ("m.weight", "b.weight") if others else ("m.weight",)
            yield Scenario(f"a sparse gradient without entries{', and a dense one' if others else ''}, norm_type={norm_type}", "C22", [
                *table(counting(4, 2), sparse=True), *backward([], value("float32", [], [0, 2])),
                *(hand_made("b", [[3, 4]]) if others else []), *clipped(*names, norm_type=norm_type, raises=norm_type < 0)])
    yield Scenario("a batch of padding alone", "C22 G9", [
        *table(counting(4, 2), sparse=True, padding_idx=1), *backward([1, 1], ones([2, 2])), *clipped()])
    yield Scenario("a batch of padding alone, norm_type=inf", "C22", [
        *table(counting(4, 2), sparse=True, padding_idx=1), *backward([1, 1], ones([2, 2])), *hand_made("b", [[3, 4]]),
        *clipped("b.weight", "m.weight", norm_type=INF, raises=True)])
    for columns, rows in ((0, 3), (2, 0)):
        yield Scenario(f"a dense {rows}x{columns} table", "C12", [
            do.embedding("m", rows, columns), *backward([1] if rows else []), *clipped()])
    yield Scenario("a dense table without columns, norm_type=inf", "C12", [
        do.embedding("m", 3, 0), *backward([1]), *clipped(norm_type=INF, raises=True)])


def narrow():
    """Half gradients: the norm is summed in float32 and rounded once, and so is each product."""
    for dtype, kind, max_norm in itertools.product(("float16", "bfloat16"), ("sparse", "dense"), (1.0, 0.3, 2.7, 100.0)):
        name = f"{kind} {dtype}, max_norm={max_norm}"
        rng = seeded(name)
        index, gradient = [1, 3, 1, 0], round_values(rng, (4, 3), dtype)
        yield Scenario(name, "C2 C15", [
            *table(counting(4, 3, dtype), sparse=kind == "sparse"), *backward(index, gradient), *clipped(max_norm=max_norm)])
    for dtype in ("float16", "bfloat16"):
        yield Scenario(f"[3, 4] in {dtype}", "C15", [*hand_made("m", [[3, 4]], dtype), *clipped()])


def then_a_step():
    for kind, is_sparse in itertools.product(("own_sgd", "adagrad", "sparse_adam"), (True, False)):
        if kind == "sparse_adam" and not is_sparse:
            continue
        name = f"clipped before the steps of {kind}, {'sparse' if is_sparse else 'dense'}"
        rng = seeded(name)
        options = {"own_sgd": {"lr": 0.5, "momentum": 0.5}, "adagrad": {"lr": 0.5}, "sparse_adam": {"lr": 0.5}}[kind]
        steps = [*table(counting(4, 2), sparse=is_sparse), optimizer(kind, options)]
        for index in ([1, 2, 1], [3, 1, 0]):
            steps += [do.zero_grad("o"), *backward(index, round_values(rng, (3, 2))), *clipped(max_norm=0.75), *stepped(kind)]
        yield Scenario(name, "C19 C23", steps)


def with_a_graph():
    for is_sparse in (True, False):
        yield Scenario(f"a gradient that needs a gradient, {'sparse' if is_sparse else 'dense'}", "C24", [
            *table(counting(4, 2), sparse=is_sparse), do.tensor("i", indices([1, 3])), do.forward("m", "i", "y", gives=False),
            do.op("square", ["y"], "q") if not is_sparse else do.op("clone", ["y"], "q"), do.op("sum", ["q"], "s"),
            do.backward("s", create_graph=True), clip(["m.weight"]), do.show("m.weight.grad")])


def scenarios():
    yield from distinct(combinations())
    yield from together()
    yield from documented()
    yield from layouts_of_entries()
    yield from several_passes()
    yield from which_parameters()
    yield from not_finite()
    yield from zero_gradients()
    yield from narrow()
    yield from then_a_step()
    yield from with_a_graph()
