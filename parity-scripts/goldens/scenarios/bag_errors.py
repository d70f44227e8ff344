"""Bags that PyTorch refuses: when, and in which words."""

import itertools

from bags import INDEX, MODES, SEVEN, TABLE, THREE_BAGS, WEIGHTS, looked_up
from cases import given, shape_text, told
from steps import Scenario, do
from values import counting, indices, ones, value

ABOUT = "Bad input raises what PyTorch raises, the table keeps its bits, and the module works on."

WRONG_INDEX_DTYPES = ("uint8", "int8", "int16", "bool", "float16", "bfloat16", "float32", "float64")
INTEGER_DTYPES = ("uint8", "int8", "int16", "int32", "int64", "bool")
BAD_INDEX = "Expected idx >= 0 && idx < num_embeddings but found idx to be"
ONE_TEXT = ".NET has one text for a bad index, whichever kernel finds it"
CHECKED_FIRST = "PyTorch rescales rows before it sees the bad argument; .NET looks first"
OFFSETS_FIRST = ".NET checks all offsets before libtorch reads memory by them"


def table(dtype="float32", **options):
    return [do.tensor("w", counting(4, 3, dtype)), do.bag_from_pretrained("m", "w", freeze=False, **options)]


def bad(steps_before, index, offsets=None, good=True, **more):
    """A look-up that raises, the table as it was, and a good look-up."""
    options = {name: more.pop(name) for name in ("text", "because", "per_sample_weights") if name in more}
    index = index if isinstance(index, dict) else indices(index)
    steps = [*steps_before, do.tensor("i", index)]
    if offsets is not None:
        steps.append(do.tensor("o", offsets if isinstance(offsets, dict) else indices(offsets)))
        options["offsets"] = "o"
    steps += [do.forward("m", "i", "y", raises=True, **options)]
    return steps + ([do.show("m.weight"), do.tensor("good", indices([[1, 2]])), do.forward("m", "good", "z")] if good else [])


def padding_outside():
    for rows, padding in ((4, 4), (4, -5), (4, 25), (1, 1), (1, -2), (3, 9), (0, 1), (0, -1), (4, 2**40)):
        yield Scenario(f"constructor: {rows} rows, padding_idx={padding}", "B7 BU4", [
            do.embedding_bag("m", rows, 3, padding_idx=padding, raises=True)])
        yield Scenario(f"from_pretrained: {rows} rows, padding_idx={padding}", "B7 BU4", [
            do.tensor("w", counting(rows, 3)), do.bag_from_pretrained("m", "w", padding_idx=padding, raises=True), do.show("w")])
        yield Scenario(f"functional: {rows} rows, padding_idx={padding}", "B24 BU4", [
            do.tensor("w", counting(rows, 3)), do.tensor("i", indices([[]], shape=[0, 1]) if rows == 0 else indices([[0]])),
            do.functional_embedding_bag("y", "i", "w", padding_idx=padding, raises=True)])
    for padding in (3, -1, 2):
        yield Scenario(f"the weight shrinks to 2 rows under padding_idx={padding}", "B24 B78", [
            do.embedding_bag("m", 4, 3, padding_idx=padding), do.tensor("w", counting(2, 3)), do.set_weight("m", "w"),
            do.tensor("i", indices([[1]])), do.forward("m", "i", "y", raises=True), do.show("m.padding_idx"), do.show("m.weight")])
    yield Scenario("padding_idx=0 of a table without rows", "B7 X3", [
        do.embedding_bag("m", 0, 3, padding_idx=0, raises=True, text="padding_idx must be within num_embeddings",
                         because=".NET checks 0 as any other index")])


def tables_that_cannot_be():
    for rows, columns, name in ((-1, 3, "numEmbeddings"), (3, -1, "embeddingDim"), (-(2**40), 3, "numEmbeddings")):
        yield Scenario(f"constructor: {rows}x{columns}", "B8 X4", [
            do.embedding_bag("m", rows, columns, raises=True, text=name, because=".NET names the argument")])
    for dtype in INTEGER_DTYPES:
        yield Scenario(f"constructor: dtype={dtype}", "B8 X5", [do.embedding_bag("m", 4, 3, dtype=dtype, raises=True)])
        for freeze in (True, False):
            yield Scenario(f"from_pretrained: a {dtype} table, freeze={freeze}", "B14 X5", [
                do.tensor("w", value(dtype, [[0, 1], [1, 0]])), do.bag_from_pretrained("m", "w", freeze=freeze, raises=True),
                do.show("w")])
        yield Scenario(f"functional: a {dtype} table", "B27", [
            do.tensor("w", value(dtype, [[0, 1], [1, 0]])), do.tensor("i", indices([[0, 1]])),
            do.functional_embedding_bag("y", "i", "w", raises=True), do.show("w")])
        yield Scenario(f"to({dtype})", "B78 X6", [
            *table(), do.to("m", dtype, raises=True), do.show("m.weight"), *looked_up([[1, 2]])])
    for shape in ((), (3,), (2, 2, 2), (0,)):
        for freeze in (True, False):
            yield Scenario(f"from_pretrained: {shape_text(shape)}, {'frozen' if freeze else 'trained'}", "B13 X30", [
                do.tensor("w", ones(shape)), do.bag_from_pretrained("m", "w", freeze=freeze, raises=True), do.show("w")])
    for shape in ((), (3,), (2, 2, 2), (1, 1, 1, 1, 1)):
        yield Scenario(f"functional: a weight of {shape_text(shape)}", "B17 BU12", [
            do.tensor("w", ones(shape)), do.tensor("i", indices([[0]])), do.functional_embedding_bag("y", "i", "w", raises=True),
            do.show("w")], newer_only=True)
        yield Scenario(f"the weight becomes {shape_text(shape)}", "B17 B78", [
            do.embedding_bag("m", 4, 3), do.tensor("w", ones(shape)), do.set_weight("m", "w"), do.tensor("i", indices([[0]])),
            do.forward("m", "i", "y", raises=True)], newer_only=True)


def shapes():
    for shape in ((), (1, 2, 2), (1, 1, 1, 1, 1)):
        yield Scenario(f"indices {shape_text(shape)}", "B20 BU12", bad(table(), value("int64", [0] * (4 if len(shape) == 3 else 1), shape)))
    for dtype in INDEX:
        yield Scenario(f"1-D {dtype} indices without offsets", "B19 BU18", bad(table(), indices([1, 2], dtype)))
        for shape in ((), (1, 1), (1, 1, 1, 1, 1)):
            yield Scenario(f"{dtype} offsets {shape_text(shape)}", "B19 BU12", bad(
                table(), indices([1, 2], dtype), value(dtype, [0], shape)))
        yield Scenario(f"2-D {dtype} indices with offsets", "B18 BU18 BD20", bad(
            table(), indices([[1, 2]], dtype), indices([0], dtype), text="if input is 2D, then offsets has to be None, as input is "
            "treated is a mini-batch of fixed length sequences.", because="the rest names a type of Python"))
    for shape in ((2, 0), (0, 0), (1, 0)):
        yield Scenario(f"2-D indices {shape_text(shape)}", "B44", bad(table(), value("int64", [], shape)))
    for index in ([1, 2, 3], []):
        yield Scenario(f"include_last_offset without an offset, {index}", "B30 B48", bad(
            table("float64", include_last_offset=True), indices(index), indices([])), newer_only=True)


def offsets():
    for first, dtype, mode in itertools.product((1, 2, -1), INDEX, MODES):
        yield Scenario(f"the first {dtype} offset is {first}, mode={mode}", "B28 BU18", bad(
            table(mode=mode), indices([1, 2, 3], dtype), indices([first, 2], dtype)))
    for last, dtype, include in itertools.product((4, 100), INDEX, (False, True)):
        options = {"include_last_offset": True} if include else {}
        for mode in MODES:
            yield Scenario(f"the last {dtype} offset of three indices is {last}, mode={mode}{told(options)}", "B28 BU18", bad(
                table(mode=mode, **options), indices([1, 2, 3], dtype), indices([0, last], dtype)), newer_only=include)
    yield Scenario("one offset, and not 0", "B28", bad(table(), [1, 2], [1]))
    yield Scenario("an offset for no indices", "B28", bad(table(), indices([]), [0, 1]))
    # Not asked of maxima and float64: PyTorch gives them some result.
    for middle, mode in itertools.product(([0, 3, 1], [0, 2, 1, 3], [0, 4, 2], [0, -1, 1], [0, 0, -1], [0, 9, 2]), ("sum", "mean")):
        yield Scenario(f"offsets {middle} of four indices, mode={mode}", "B31", bad(
            table(mode=mode), [0, 1, 2, 3], middle, text="offsets", because=OFFSETS_FIRST), newer_only=True)


def bad_indices():
    lists = (("int64", [0, 4], [0]), ("int64", [0, -1], [0, 1]), ("int32", [1, 2, 9], [0, 0, 1]), ("int32", [-5], [0]),
             ("int64", [[1, 2], [3, 4]], None), ("int64", [2**40, 1], [0]), ("int32", [[0, 2**31 - 1]], None), ("int64", [-(2**63)], [0]),
             ("int64", [1, 2**32], [0, 0]))
    tables = itertools.cycle(("float32", "float64", "float16", "bfloat16"))
    for (dtype, index, offsets_), mode, padding in itertools.product(lists, MODES, (None, 0)):
        number = next(number for row in index for number in (row if isinstance(row, list) else [row]) if not 0 <= number < 4)
        options = given({"mode": mode, "padding_idx": padding}, "mode", "padding_idx")
        of = next(tables)
        yield Scenario(f"{dtype} {index} into 4 {of} rows, offsets {offsets_}{told(options)}", "B32 BU11", bad(
            table(of, **options), indices(index, dtype), offsets_, text=f"{BAD_INDEX} {number}", because=ONE_TEXT))
    for number, mode in itertools.product((4, -1), MODES):
        yield Scenario(f"functional: index {number} of 4 rows, mode={mode}", "B32 BU11", [
            do.tensor("w", counting(4, 3, requires_grad=True)), do.tensor("i", indices([[0, number]])),
            do.functional_embedding_bag("y", "i", "w", mode=mode, raises=True, text=f"{BAD_INDEX} {number}", because=ONE_TEXT),
            do.show("w")])
        yield Scenario(f"max_norm=1.0: index {number} of 4 rows, mode={mode}", "B56 B22 B32", bad(
            table(mode=mode, max_norm=1.0), [0, number], [0], good=False, text=f"{BAD_INDEX} {number}", because=CHECKED_FIRST))
    for number in (4, -1):
        yield Scenario(f"with weights: index {number}", "B32 BU11", [
            do.tensor("p", ones([3])), *bad(table(mode="sum"), [0, number, 1], [0, 1], text=f"{BAD_INDEX} {number}", because=ONE_TEXT,
                                            per_sample_weights="p")])
    for rows, columns, index in ((0, 3, [0]), (0, 3, [-1]), (3, 0, [5]), (0, 0, [0]), (3, 0, [-1])):
        for mode in MODES:
            yield Scenario(f"a {rows}x{columns} table, index {index[0]}, mode={mode}", "B49 B32", bad(
                [do.tensor("w", counting(rows, columns)), do.bag_from_pretrained("m", "w", mode=mode)], index, [0], good=False,
                text=f"{BAD_INDEX} {index[0]}", because=ONE_TEXT))
    yield Scenario("a bad index after a last offset before the end", "B32 B47", bad(
        table("float64", include_last_offset=True), [0, 1, 4], [0, 1, 2], text=f"{BAD_INDEX} 4", because=ONE_TEXT), newer_only=True)
    yield Scenario("the padding row's number is no excuse for one outside", "B32", bad(
        table(padding_idx=-1), [[3, -1]], text=f"{BAD_INDEX} -1", because=ONE_TEXT))


def index_dtypes():
    for dtype in WRONG_INDEX_DTYPES:
        yield Scenario(f"{dtype} indices and offsets", "B25 B26", bad(table(), value(dtype, [1, 0]), value(dtype, [0])))
        if dtype != "bool":
            yield Scenario(f"2-D {dtype} indices", "B26", bad(table(), value(dtype, [[1, 0]])))
            yield Scenario(f"2-D {dtype} indices, max_norm=1.0", "B26 X9", bad(table(max_norm=1.0), value(dtype, [[1, 0]])))
        if "float" in dtype:
            for index in INDEX:
                yield Scenario(f"{dtype} indices, {index} offsets", "B26", bad(table(), value(dtype, [1, 0]), indices([0], index)))
                yield Scenario(f"{index} indices, {dtype} offsets", "B26", bad(table(), indices([1, 0], index), value(dtype, [0])))
    yield Scenario("no indices, of float32, as tensor([]) has them", "B26", bad(table(), value("float32", []), [0]))


def sample_weights():
    table_ = table(mode="sum")
    for shape, index, offsets_ in (((3,), [0, 1, 2, 1], [0, 2]), ((4,), [[0, 1], [2, 1]], None), ((2, 3), [[0, 1], [2, 1]], None),
                                   ((1, 4), [0, 1, 2, 1], [0, 2]), ((), [1], [0]), ((0,), [1], [0]), ((1,), indices([]), [0])):
        yield Scenario(f"weights {shape_text(shape)} for indices {index if isinstance(index, list) else []}", "B16 BU13 BD17", [
            do.tensor("p", ones(shape)), *bad(table_, index, offsets_, per_sample_weights="p")])
    for dtype, of in (("float64", "float32"), ("float32", "float64"), ("float16", "float32"), ("float32", "bfloat16"),
                      ("int64", "float32")):
        yield Scenario(f"{dtype} weights for a {of} table", "B29 BU13", [
            do.tensor("p", ones([2, 2], dtype)), *bad(table(of, mode="sum"), [[0, 1], [2, 1]], per_sample_weights="p")])
    for mode, index, offsets_ in itertools.product(("mean", "max"), ([[0, 1], [2, 1]],), (None,)):
        yield Scenario(f"weights with mode={mode}", "B23 BU13 BD4", [
            do.tensor("p", ones([2, 2])), *bad(table(mode=mode), index, offsets_, per_sample_weights="p")])
        yield Scenario(f"functional: weights with mode={mode}", "B23 BU13", [
            do.tensor("p", value("float32", WEIGHTS)), do.tensor("w", value("float32", TABLE)), do.tensor("i", indices(SEVEN)),
            do.tensor("o", indices(THREE_BAGS)), do.functional_embedding_bag(
                "y", "i", "w", offsets="o", per_sample_weights="p", mode=mode, raises=True), do.show("w")])
    yield Scenario("functional: weights with the default mode, the mean", "B23", [
        do.tensor("p", ones([1, 2])), do.tensor("w", value("float32", TABLE)), do.tensor("i", indices([[1, 2]])),
        do.functional_embedding_bag("y", "i", "w", per_sample_weights="p", raises=True)])
    for mode in ("mean", "max"):
        yield Scenario(f"max_norm=1.0: weights with mode={mode}", "B56 B22 B23", [
            do.tensor("p", ones([1, 2])), *bad(table(mode=mode, max_norm=1.0), [[3, 2]], good=False, per_sample_weights="p")])


def modes():
    for options in ({"scale_grad_by_freq": True}, {"sparse": True}, {"scale_grad_by_freq": True, "sparse": True}):
        # As a module it is made, and fails when it is called.
        yield Scenario(f"functional: mode=max{told(options)}", "B21 BD8 BD10", [
            do.tensor("w", counting(4, 3, requires_grad=True)), do.tensor("i", indices([[1, 2]])),
            do.functional_embedding_bag("y", "i", "w", mode="max", **options, raises=True), do.show("w")])
        yield Scenario(f"mode=max{told(options)}", "B9 B21 BD8 BD10", [
            *table(mode="max", **options), do.tensor("i", indices([[1, 2]])), do.forward("m", "i", "y", raises=True),
            do.show("m.weight")])
        yield Scenario(f"a new layer, mode=max{told(options)}", "B9 B21", [
            do.embedding_bag("m", 4, 3, mode="max", **options), do.tensor("i", indices([[1, 2]])),
            do.forward("m", "i", "y", raises=True)])
    for index, offsets_ in (([[1, 2]], {}), ([1, 2], {"offsets": "o"})):
        yield Scenario(f"functional: an unknown mode{', offsets' if offsets_ else ', 2-D'}", "B21", [
            do.tensor("w", counting(4, 3)), do.tensor("i", indices(index)), do.tensor("o", indices([0])),
            do.functional_embedding_bag("y", "i", "w", mode="median", raises=True, **offsets_), do.show("w")])


def order_of_checks():
    """Where two things are wrong, PyTorch names the one that it looks at first."""
    weights = do.tensor("p", ones([1, 2]))
    yield Scenario("weights of another shape come before offsets", "B16 B18", [
        do.tensor("p", ones([3])), *bad(table(mode="sum"), [[1, 2]], [0], per_sample_weights="p")])
    yield Scenario("2-D offsets come before the mode", "B19 B21", bad(table(mode="max", sparse=True), [1, 2], [[0]], good=False))
    yield Scenario("frequency comes before sparse", "B21", bad(
        table(mode="max", sparse=True, scale_grad_by_freq=True), [[1, 2]], good=False))
    yield Scenario("the mode comes before a bad index", "B21 B32", bad(table(mode="max", sparse=True), [[1, 9]], good=False))
    yield Scenario("weights in a mean come before a bad index", "B23 B32", [
        weights, *bad(table(), [[1, 9]], per_sample_weights="p")])
    yield Scenario("the padding comes before a bad index", "B24 B32", [
        do.tensor("w", counting(4, 3)), do.tensor("i", indices([[1, 9]])),
        do.functional_embedding_bag("y", "i", "w", padding_idx=9, raises=True), do.show("w")])
    yield Scenario("the first offset comes before a bad index", "B28 B32", bad(table("float64"), [9, 1], [1]))


def states_that_do_not_fit():
    good = [do.tensor("good", ones([4, 3]))]
    for state in ({}, {"bias": "good"}, {"weight": "good", "bias": "good"}):
        yield Scenario(f"keys {list(state)}", "B78 X35 X36", [
            *table(), *good, do.load_state_dict("m", state, raises=True), do.show("m.weight.requires_grad")])
    for shape in ((5, 3), (4, 2), (1, 3), (12,), (), (1, 4, 3)):
        for strict in (True, False):
            yield Scenario(f"a weight of {list(shape)} for 4x3, strict={strict}", "B78 X37", [
                *table(), do.tensor("bad", ones(shape)), do.load_state_dict("m", {"weight": "bad"}, strict=strict, raises=True),
                do.show("m.weight"), *good, do.load_state_dict("m", {"weight": "good"}), do.show("m.weight")])


def scenarios():
    yield from padding_outside()
    yield from tables_that_cannot_be()
    yield from shapes()
    yield from offsets()
    yield from bad_indices()
    yield from index_dtypes()
    yield from sample_weights()
    yield from modes()
    yield from order_of_checks()
    yield from states_that_do_not_fit()
