"""Gradients that meet: several backward calls, several look-ups in one, dense and sparse, tied weights."""

import itertools

from cases import given, told
from steps import Scenario, do
from values import ALL_FLOATS, counting, drawn, indices, ones, seeded, ugly, value

ABOUT = "Where gradients of one weight meet they add: dense in place, sparse by merging or appending, mixed to dense."

CONTIGUOUS, EXPANDED = "contiguous", "expanded"


def table(dtype="float32", rows=4, **options):
    return [do.tensor("w", counting(rows, 2, dtype)), do.from_pretrained("m", "w", freeze=False, **options)]


def backward(number, index, gradient, memory=CONTIGUOUS, raises=False):
    """The look-up and backward pass of that number. sum() sends back an expanded gradient."""
    i, y, g = f"i{number}", f"y{number}", f"g{number}"
    steps = [do.tensor(i, indices(index)), do.forward("m", i, y, gives=False)]
    if memory == EXPANDED:
        return [*steps, do.op("sum", [y], g), do.backward(g, raises=raises)]
    return [*steps, do.tensor(g, gradient), do.backward(y, g, raises=raises)]


def numbered(index, start=1):
    """Gradient rows whose numbers show which entry they came from."""
    return value("float32", [[start + at, -start - at] for at in range(len(index))], [len(index), 2])


def dense_and_dense():
    for dtype, padding, count in itertools.product(ALL_FLOATS, (None, 1), (2, 3)):
        options = given({"padding_idx": padding}, "padding_idx")
        name = f"{count} dense, {dtype}{told(options)}"
        rng = seeded(name)
        calls = [backward(at, [rng.randrange(4) for _ in range(4)], ugly(rng, (4, 2), dtype)) for at in range(count)]
        yield Scenario(name, "G16 G2", [*table(dtype, **options), *sum(calls, []), do.show("m.weight.grad")])
    yield Scenario("dense, dropped, dense", "G16 M13", [
        *table(), *backward(1, [1, 2], ones([2, 2])), do.show("m.weight.grad"),
        do.zero_grad("m"), do.show("m.weight.grad"),
        *backward(2, [2], ones([1, 2])), do.show("m.weight.grad"),
    ])
    yield Scenario("an empty look-up adds nothing", "G16 G27", [
        *table(), *backward(1, [1, 2], ones([2, 2])), *backward(2, [], value("float32", [], [0, 2])),
        do.show("m.weight.grad")])


PAIRS = (([1, 0], [1, 2]), ([3, 1], [1, 3]), ([3, 1, 2], [3, 1, 2]), ([2], [1]), ([1], [1]), ([0, 1], [2, 3]),
         ([2, 3], [0, 1]), ([1, 1], [1]), ([], [1, 2]), ([1, 2], []), ([], []), ([0, 0, 3], [3, 0]))


def sparse_and_sparse():
    """The rule depends on memory: two contiguous gradients are merged as if sorted, otherwise the entries are appended."""
    memories = list(itertools.product((CONTIGUOUS, EXPANDED), repeat=2))
    for (first, second), (a, b) in itertools.product(PAIRS, memories):
        yield Scenario(f"sparse {first} {a}, then {second} {b}", "G17 G18 G21", [
            *table(sparse=True),
            *backward(1, first, numbered(first), a), *backward(2, second, numbered(second, 10), b),
            do.show("m.weight.grad"),
            do.op("to_dense", ["m.weight.grad"], "d", gives=True),
            do.op("coalesce", ["m.weight.grad"], "c", gives=True),
        ])
    for (first, second), memory in itertools.product(PAIRS[:6], (CONTIGUOUS, EXPANDED)):
        yield Scenario(f"sparse {first} and {second} in one backward, {memory}", "G19 G17", [
            *table(sparse=True),
            do.tensor("i", indices(first)), do.tensor("j", indices(second)),
            do.forward("m", "i", "y"), do.forward("m", "j", "z"),
            *in_one_loss(memory, first, second),
            do.show("m.weight.grad"),
            do.op("to_dense", ["m.weight.grad"], "d", gives=True),
        ])
    for first, second in (([1, 0], [1, 2]), ([2], [1]), ([0, 2, 2], [2])):
        yield Scenario(f"coalesced by the caller's padding: {first} then {second}, padding_idx=0", "G17 G9", [
            *table(sparse=True, padding_idx=0),
            *backward(1, first, numbered(first)), *backward(2, second, numbered(second, 10)), do.show("m.weight.grad")])


def in_one_loss(memory, first, second):
    """A product with a constant sends back a contiguous gradient, a plain sum an expanded one."""
    if memory == EXPANDED:
        return [do.op("sum", ["y"], "a"), do.op("sum", ["z"], "b"), do.op("add", ["a", "b"], "s"), do.backward("s")]
    return [do.tensor("g", numbered(first)), do.tensor("h", numbered(second, 10)),
            do.op("mul", ["y", "g"], "p"), do.op("mul", ["z", "h"], "q"),
            do.op("sum", ["p"], "a"), do.op("sum", ["q"], "b"), do.op("add", ["a", "b"], "s"), do.backward("s")]


def sparse_of_every_dtype():
    """libtorch cannot add two sparse float16 gradients. It adds bfloat16 ones only by merging; padding makes them contiguous."""
    for dtype, padding, memory in itertools.product(ALL_FLOATS, (None, 2), (CONTIGUOUS, EXPANDED)):
        options = given({"padding_idx": padding}, "padding_idx")
        name = f"two sparse, {memory}, {dtype}{told(options)}"
        rng = seeded(name)
        first, second = ([rng.randrange(4) for _ in range(5)] for _ in range(2))
        refused = dtype == "float16" or (dtype == "bfloat16" and memory == EXPANDED and padding is None)
        yield Scenario(name, "G17 G14", [
            *table(dtype, sparse=True, **options),
            *backward(1, first, ugly(rng, (5, 2), dtype), memory),
            *backward(2, second, ugly(rng, (5, 2), dtype), memory, refused),
            do.show("m.weight.grad"),
            do.op("to_dense", ["m.weight.grad"], "d", gives=True),
        ])
    yield Scenario("three sparse, appended", "G17", [
        *table(sparse=True), *backward(1, [1, 0], None, EXPANDED), *backward(2, [3], None, EXPANDED),
        *backward(3, [0, 0], None, EXPANDED), do.show("m.weight.grad")])
    yield Scenario("the gradient given first is the caller's memory", "G22 G17", [
        *table(sparse=True), *backward(1, [1, 2], numbered([1, 2])), *backward(2, [1, 2], numbered([1, 2], 10)),
        do.show("m.weight.grad"), do.show("g1"), do.show("g2")])


def dense_and_sparse():
    """A sparse and a dense gradient add to a dense one, whichever comes first."""
    for dtype, order in itertools.product(("float32", "float64", "bfloat16"), ((True, False), (False, True))):
        words = " then ".join("sparse" if sparse else "dense" for sparse in order)
        name = f"{words}, {dtype}"
        rng = seeded(name)
        calls = []
        for at, sparse in enumerate(order):
            calls += [do.functional(f"y{at}", "i", "w", gives=False, sparse=sparse),
                      do.tensor(f"g{at}", ugly(rng, (4, 2), dtype)), do.backward(f"y{at}", f"g{at}"), do.show("w.grad")]
        yield Scenario(name, "G20", [
            do.tensor("w", counting(4, 2, dtype, requires_grad=True)), do.tensor("i", drawn(rng, 4, (4,))), *calls])
    for sparse in (False, True):
        words = "sparse" if sparse else "dense"
        yield Scenario(f"the weight itself in the loss, {words}", "G20", [
            *table(sparse=sparse), do.tensor("i", indices([1, 1, 3])), do.forward("m", "i", "y"),
            do.op("sum", ["y"], "a"), do.op("square", ["m.weight"], "q"), do.op("sum", ["q"], "b"),
            do.op("add", ["a", "b"], "s"),
            do.backward("s"), do.show("m.weight.grad")])
        for first in ("functional", "module"):
            one, other = [do.functional("y", "i", "m.weight", gives=False)], [do.forward("m", "i", "z", gives=False)]
            yield Scenario(f"module {words} and functional dense in one loss, {first} first", "G20", [
                *table(sparse=sparse), do.tensor("i", indices([3, 1, 1])),
                *(one + other if first == "functional" else other + one),
                do.op("add", ["y", "z"], "t", gives=True), do.op("sum", ["t"], "s"),
                do.backward("s"), do.show("m.weight.grad")])


def tied_weights():
    for sparse, padding in itertools.product((False, True), (None, 1)):
        options = given({"padding_idx": padding, "sparse": sparse}, "padding_idx", "sparse")
        yield Scenario(f"a projection on the same weight{told(options)}", "M16 G20", [
            do.tensor("w", counting(4, 3)),
            do.from_pretrained("m", "w", freeze=False, **options),
            do.linear("l", 3, 4), do.set_weight("l", "m.weight"), do.sequential("both", ["m", "l"]),
            do.tensor("i", indices([1])),
            do.forward("m", "i", "y"), do.forward("l", "y", "z"), do.op("sum", ["z"], "s", gives=True),
            do.backward("s"), do.show("m.weight.grad"), do.show("l.weight.grad"),
            do.parameters("both"),
        ])
        yield Scenario(f"scores against the own table{told(options)}", "M16 G20", [
            do.tensor("w", counting(3, 2)),
            do.from_pretrained("m", "w", freeze=False, **options),
            do.tensor("i", indices([2, 1])),
            do.forward("m", "i", "y"), do.op("matmul_t", ["y", "m.weight"], "z", gives=True), do.op("sum", ["z"], "s"),
            do.backward("s"), do.show("m.weight.grad"),
        ])
        yield Scenario(f"two modules of one weight{told(options)}", "M16 G20", [
            do.tensor("w", counting(4, 3)),
            do.from_pretrained("m", "w", freeze=False, **options),
            do.embedding("n", 4, 3), do.set_weight("n", "m.weight"), do.sequential("both", ["m", "n"]),
            do.tensor("i", indices([1, 3])),
            do.forward("m", "i", "y"), do.forward("n", "i", "z"),
            do.op("add", ["y", "z"], "t"), do.op("sum", ["t"], "s"), do.backward("s"),
            do.show("m.weight.grad"), do.show("n.weight.grad"), do.parameters("both"),
        ])


def scenarios():
    yield from dense_and_dense()
    yield from sparse_and_sparse()
    yield from sparse_of_every_dtype()
    yield from dense_and_sparse()
    yield from tied_weights()
