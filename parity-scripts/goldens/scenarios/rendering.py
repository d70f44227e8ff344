"""How print(tensor) lays a tensor out: lines, blocks, summaries and suffixes."""

import itertools
import math

from cases import shape_text
from encoding import INTEGERS
from printing import listed, printed
from steps import Scenario, do
from values import ALL_FLOATS, arange, counting, indices, ones, runs, seeded, shape_of, sparse, ugly, value

ABOUT = "A tensor prints with PyTorch's columns, line breaks, summaries and suffixes, character for character."

INF, NAN = "inf", "nan"


def lines():
    """As many numbers as fit on a line, one fewer and one more, in every depth."""
    cells = {2: 12, 3: 123, 4: 1234, 6: 123456, 9: 123456789, 12: 123456789012, 19: 2**62, 20: -2**63}
    for width, number in cells.items():
        whole = (80 - 7) // (width + 2)
        for count in (whole - 1, whole, whole + 1, 2 * whole + 1):
            yield printed(f"{count} integers of {width} digits", "R9", value("int64", [number] * count))
    for depth in (2, 3, 4, 5):
        whole = (80 - 7 - depth + 1) // 8
        for count in (whole, whole + 1):
            shape = [1] * (depth - 1) + [count]
            yield printed(f"{count} floats, {depth}-D", "R9", runs("float32", shape, (count, "1.25")))


def blocks():
    shapes = ((2, 3), (3, 1), (1, 3), (2, 2, 2), (1, 1, 1), (3, 2, 1), (2, 1, 2, 2), (1, 2, 2, 1), (2, 2, 1, 1, 2),
              (1, 1, 1, 1, 1), (2, 2, 2, 2), (1, 30), (2, 25), (2, 2, 20))
    for shape, dtype in itertools.product(shapes, ("float32", "int64")):
        name = f"{dtype} of shape {shape_text(shape)}"
        number = ugly(seeded(name), shape) if dtype == "float32" else arange(dtype, shape, -3, 7)
        yield printed(name, "R10 R9", number)


def summarised():
    """Over a thousand elements, PyTorch prints three from each end of every dimension that is longer than six."""
    shapes = ((1000,), (1001,), (10, 100), (7, 143), (6, 167), (8, 126), (2, 501), (1, 1001), (1001, 1), (501, 2), (200, 6),
              (200, 7), (143, 7), (167, 6), (10, 10, 10), (10, 10, 11), (7, 7, 21), (6, 7, 24), (7, 6, 24), (2, 3, 167),
              (3, 167, 2), (167, 3, 2), (1, 1, 1001), (1001, 1, 1), (5, 3, 7, 10), (7, 2, 8, 9), (2, 2, 2, 2, 63),
              (63, 2, 2, 2, 2))
    for shape in shapes:
        for dtype, start, step in (("int64", 0, 1), ("float32", -0.5, 0.25)):
            yield printed(f"{dtype} {shape_text(shape)} from {start} by {step}", "R11 R12 R10",
                          arange(dtype, shape, start, step))
    for shape in ((3, 400), (400, 3), (1200,), (20, 60)):
        yield printed(f"wrapped rows of {shape_text(shape)}", "R12", arange("float32", shape, 0.001, 1))
        yield printed(f"wrapped rows of {shape_text(shape)}, integers", "R12", arange("int64", shape, 10**14, 1))
    for dtype, text in (("bool", "true false"), ("uint8", "7 200"), ("int8", "-5 1"), ("int32", "100000 -1"),
                        ("float16", "0.5 1"), ("bfloat16", "2 3"), ("float64", "0.1 0.2")):
        yield printed(f"{dtype} of shape [50, 30]", "R11 R15", runs(dtype, [50, 30], (750, text)))
    of_note = {"1e-9 between ones": ((3, "1"), (1000, "1e-09"), (3, "1")),
               "nan between ones": ((3, "1"), (1000, "nan"), (3, "1")),
               "wide between narrow": ((3, "1"), (1000, "123456"), (3, "1")),
               "a fraction between whole ones": ((3, "2"), (1000, "0.5"), (3, "3")),
               "1e-9 in the fourth place": ((3, "1"), (1, "1e-09"), (1000, "1")),
               "1e-9 in the third place": ((2, "1"), (1, "1e-09"), (1000, "1")),
               "a fraction in the last place": ((1000, "1"), (1, "0.5")),
               "infinities at the ends": ((1, "inf"), (1000, "1"), (1, "-inf"))}
    for name, pieces in of_note.items():
        yield printed(f"summarised, {name}", "R11", runs("float32", [sum(times for times, _ in pieces)], *pieces))
    for layout, shape in (("transposed", (40, 30)), ("strided", (40, 30)), ("narrowed", (40, 30)), ("strided", (1100,))):
        yield printed(f"{layout} {shape_text(shape)}", "R11", arange("float32", shape, 0, 0.5), layout)
    for shape, times in (((1001,), 1001), ((40, 30), 1200)):
        for dtype in ("float32", "float64"):
            yield printed(f"{dtype} of shape {shape_text(shape)} that requires grad", "R11 R16",
                          runs(dtype, shape, (times, "0.5"), requires_grad=True))


def empty():
    shapes = ((0,), (0, 3), (3, 0), (2, 0), (0, 0), (1, 0, 2), (0, 1, 1, 1), (2, 3, 0, 4, 5))
    for shape, dtype in itertools.product(shapes, ("float32", "int64")):
        yield printed(f"empty {dtype} {shape_text(shape)}", "R14", value(dtype, [], shape))
    for dtype, shape in itertools.product((*ALL_FLOATS, *INTEGERS, "bool"), ((0,), (0, 2))):
        if dtype in ALL_FLOATS:
            yield printed(f"empty {dtype} {shape_text(shape)} that requires grad", "R14 R15",
                          value(dtype, [], shape, requires_grad=True))
        if dtype not in ("float32", "int64"):
            yield printed(f"empty {dtype} {shape_text(shape)}", "R14", value(dtype, [], shape))


def suffixes():
    """Last lines of every length around the one at which a suffix no longer fits."""
    windows = (("int32", False, range(54, 64)), ("bfloat16", False, range(52, 62)), ("float64", False, range(53, 63)),
               ("float32", True, range(52, 63)), ("float64", True, (*range(33, 43), *range(52, 63))))
    for dtype, grad, lengths in windows:
        for length in lengths:
            yield printed(f"{dtype}{' that requires grad' if grad else ''}: a line of {length}", "R16 R15",
                          of_length(dtype, length, grad))
    for shape in ((2, 8), (3, 9), (2, 2, 8), (2, 10)):
        for dtype, grad in itertools.product(("float32", "float64", "float16"), (False, True)):
            given = runs(dtype, shape, (math.prod(shape), "0.25"), requires_grad=grad)
            yield printed(f"{dtype} {shape_text(shape)} of 0.25{' that requires grad' if grad else ''}", "R16", given)
    for dtype in ALL_FLOATS:
        yield listed("R15 R13", dtype, 1.5, requires_grad=True)


def of_length(dtype, length, requires_grad):
    """A tensor whose only line has that length, without suffixes and the closing parenthesis."""
    dot = 0 if dtype == "int32" else 1
    for depth, digits in itertools.product(range(1, 6), range(1, 4 if dtype == "bfloat16" else 8)):
        count, rest = divmod(length - len("tensor(") - 2 * depth + len(", "), digits + dot + len(", "))
        if rest == 0:
            shape = [1] * (depth - 1) + [count]
            return runs(dtype, shape, (count, "1" * digits), requires_grad=requires_grad)
    raise ValueError(f"no {dtype} tensor is {length} long")


def default_dtypes():
    for usual, dtype in itertools.product(("float64", "float16", "bfloat16"), (*ALL_FLOATS, "int64", "int32", "bool")):
        for shape in ((2,), (0,), (0, 2)):
            yield printed(f"default {usual}: {dtype} {shape_text(shape)}", "R15 R14", ones_of(dtype, shape),
                          before=[do.default_dtype(usual)])


def ones_of(dtype, shape):
    return value(dtype, [True if dtype == "bool" else 1] * math.prod(shape), shape)


def views():
    for layout, shape in itertools.product(("transposed", "strided", "expanded", "expanded_columns", "narrowed"),
                                           ((4,), (3, 4), (2, 2, 3))):
        if len(shape) > 1 or layout in ("strided", "expanded", "narrowed"):
            number = counting(*shape) if len(shape) == 2 else ugly(seeded(layout), shape)
            yield printed(f"{layout} {shape_text(shape)}", "R10", number, layout)
    for grad in (False, True):
        yield Scenario(f"row and column of a table{' that requires grad' if grad else ''}, detached", "R15", [
            do.tensor("w", counting(2, 3, requires_grad=grad)), do.op("unsqueeze0", ["w"], "v"), do.op("detach", ["v"], "d"),
            do.print("d"), do.op("unsqueeze1", ["w"], "v"), do.op("detach", ["v"], "d"), do.print("d")])
    yield Scenario("the result of a look-up, detached", "R20 R15", [
        *table_of(2, 3), do.tensor("i", indices([[1, 0]])), do.forward("m", "i", "y"), do.op("detach", ["y"], "d"),
        do.print("d")])
    yield Scenario("the page's first example", "R20 E4", [
        do.seed(0), do.embedding("m", 10, 3), do.print("m.weight"), do.tensor("i", indices([[1, 2, 4, 5], [4, 3, 2, 9]])),
        do.forward("m", "i", "y", gives=False, no_grad=True), do.print("y")])
    yield Scenario("the page's pretrained example", "R20", [
        do.tensor("w", value("float32", [[1, 2.3, 3], [4, 5.1, 6.3]])), do.from_pretrained("m", "w"),
        do.tensor("i", indices([1])), do.forward("m", "i", "y"), do.print("y"), do.print("m.weight")])


def parameters():
    for dtype, freeze in itertools.product(ALL_FLOATS, (True, False)):
        yield Scenario(f"{'frozen' if freeze else 'trained'} {dtype} weight", "R1 R15", [
            do.tensor("w", counting(2, 3, dtype)), do.from_pretrained("m", "w", freeze=freeze),
            do.print("m.weight"), do.print("w")])
    for dtype in (*INTEGERS, "bool"):
        yield Scenario(f"frozen {dtype} weight", "R1 R15 P7", [
            do.tensor("w", value(dtype, [[0, 1], [1, 0]])), do.from_pretrained("m", "w"), do.print("m.weight")])
    for rows, columns in ((0, 3), (3, 0), (1, 1), (2, 8), (2, 9), (300, 4), (2, 600), (30, 40)):
        yield Scenario(f"a weight of {rows}x{columns}", "R1 R14 R16 E10", [
            do.tensor("w", arange("float32", (rows, columns), 0.5, 1)), do.from_pretrained("m", "w", freeze=False),
            do.print("m.weight")])
    yield Scenario("unfrozen and frozen again", "R1", [
        do.tensor("w", counting(2, 2)), do.from_pretrained("m", "w"), do.requires_grad_("m", True), do.print("m.weight"),
        do.requires_grad_("m", False), do.print("m.weight")])
    yield Scenario("a dense gradient", "R15", [
        *table_of(2, 2), *learned([1, 0, 1]), do.print("m.weight.grad"), do.print("m.weight")])


def table_of(rows, columns, dtype="float32", **options):
    return [do.tensor("w", counting(rows, columns, dtype)), do.from_pretrained("m", "w", freeze=False, **options)]


def learned(index):
    return [do.tensor("i", indices(index)), do.forward("m", "i", "y", gives=False), do.op("sum", ["y"], "s"),
            do.backward("s")]


def sparse_gradients():
    for index, dtype in itertools.product(([1, 0], [2, 2, 1], [3], [], list(range(4)) * 5), ("float32", "float64")):
        yield Scenario(f"{dtype} gradient of the look-up {index}", "R18", [
            *table_of(4, 2, dtype, sparse=True), *learned(index), do.print("m.weight.grad"),
            do.op("coalesce", ["m.weight.grad"], "c"), do.print("c")])
    for columns in (0, 1, 7, 8, 9, 30):
        yield Scenario(f"the gradient of a table of {columns} columns", "R18 R9", [
            do.embedding("m", 3, columns, sparse=True), *learned([2, 0]), do.print("m.weight.grad")])
    yield Scenario("a fully padded gradient", "R18 G9", [
        *table_of(4, 2, sparse=True, padding_idx=1), *learned([1, 1]), do.print("m.weight.grad")])
    yield Scenario("the gradient of a float16 table, default dtype float64", "R18 R15", [
        do.default_dtype("float64"), *table_of(4, 2, "float16", sparse=True), *learned([1, 1]), do.print("m.weight.grad")])


def sparse_tensors():
    entries = {
        "one dimension": ([[1, 3]], [5, -2], [5]), "two dimensions": ([[0, 1, 1], [2, 0, 2]], [1, 2, 3], [2, 3]),
        "three dimensions": ([[0, 1], [1, 0], [0, 1]], [1, 100], [2, 2, 2]), "rows": ([[0, 2]], [[1, 2], [3, 4]], [3, 2]),
        "tables": ([[1]], [[[1, 2], [3, 4]]], [2, 2, 2]), "scalars on one place twice": ([[0, 0]], [1, 2], [2]),
        "no entry": ([[]], [], [4]), "no entry, two dimensions": ([[], []], [], [3, 2]),
    }
    kinds = [(dtype, grad) for dtype in ("float32", "float64", "int64", "int32") for grad in (False, True)
             if dtype in ALL_FLOATS or not grad]
    for (name, (at, numbers, shape)), (dtype, grad) in itertools.product(entries.items(), kinds):
        places = value("int64", at, [len(at), len(at[0])])
        held = sparse(places, value(dtype, numbers, shape_of(numbers)), shape, len(at[0]) < 2, grad)
        yield printed(f"sparse {dtype}, {name}{', requires grad' if grad else ''}", "R18 R15", held)
    for count in (14, 15, 19, 20, 300):
        held = sparse(arange("int64", [1, count], 10), runs("float32", [count], (count, "0.5")), [400], False)
        yield printed(f"sparse, {count} entries", "R18 R9", held)
    for count in (1000, 1001):
        held = sparse(arange("int64", [1, count]), arange("float32", [count], 0.5), [2000], True)
        yield printed(f"sparse, {count} entries, coalesced", "R18 R11", held)
    held = sparse(value("int64", [[1, 3]]), ones([2, 2, 8]), [5, 2, 8], True, True)
    yield printed("sparse, with entries of two dimensions, coalesced, requires grad", "R18 R10", held)
    yield printed("sparse, default dtype float64", "R18 R15", sparse(value("int64", [[1, 3]]), ones([2, 2]), [5, 2]),
                  before=[do.default_dtype("float64")])


def complex_numbers():
    """Pairs of the last dimension are complex numbers. Each of the two parts has its own style."""
    entries = ([[1, 2], [3, -4]], [[0.5, 1e-5], [-100, 2]], [[0, "-0"], ["-0", 0]], [[NAN, INF], ["-inf", NAN], [1.5, -1.5]],
               [[[1, -20], [300, 4]], [[5, 6], [-7, 8]]], [[1, 1e9], [2, -3]], [1.25, -2], [[-1, 0.001], [1, 1]])
    for numbers, dtype in itertools.product(entries, ("float32", "float64")):
        name = f"complex numbers of {dtype}, {numbers}".replace("'", "")
        yield printed(name, "R15", value(dtype, numbers), "complex")
        yield printed(f"{name}, that require grad", "R15 R16", value(dtype, numbers, requires_grad=True), "complex")
    for shape in ((20, 2), (600, 2), (1001, 2), (30, 40, 2)):
        yield printed(f"complex numbers, float32 of shape {shape_text(shape)}", "R9 R11", arange("float32", shape, -5, 0.25), "complex")
    yield printed("no complex numbers", "R14", value("float32", [], (0, 2)), "complex")
    yield printed("complex numbers, default dtype float64", "R15", value("float64", [[1, 2]]), "complex",
                  before=[do.default_dtype("float64")])
    yield printed("float32 complex numbers, default dtype float64", "R15", value("float32", [[1, 2]]), "complex",
                  before=[do.default_dtype("float64")])


def without_memory():
    for shape, dtype in itertools.product(((3,), (2, 3), (0,), (0, 2)), ("float32", "int64", "float16")):
        yield printed(f"{dtype} of shape {shape_text(shape)} on the meta device", "R14 R15", arange(dtype, shape), "meta")
    yield printed("on the meta device, requires grad", "R15", arange("float32", (2, 3), requires_grad=True), "meta")


def scenarios():
    yield from lines()
    yield from blocks()
    yield from summarised()
    yield from empty()
    yield from suffixes()
    yield from default_dtypes()
    yield from views()
    yield from parameters()
    yield from sparse_gradients()
    yield from sparse_tensors()
    yield from complex_numbers()
    yield from without_memory()
