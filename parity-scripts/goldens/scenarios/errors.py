"""Construction, look-ups and states that PyTorch refuses: when, and in which words."""

import itertools

from cases import shape_text, tensor, told
from steps import Scenario, do
from values import counting, indices, ones, value

ABOUT = "Bad input raises what PyTorch raises, the table keeps its bits, and the module works on."

WRONG_INDEX_DTYPES = ("uint8", "int8", "int16", "bool", "float16", "bfloat16", "float32", "float64")
INTEGER_DTYPES = ("uint8", "int8", "int16", "int32", "int64", "bool")
RANGE = "index out of range in self"
CHECKED_FIRST = "PyTorch rescales rows before it sees the bad index; .NET looks first"
ONE_TEXT = ".NET has one text for a bad index, whatever the table's shape"


def works_on(rows=4, look_up=True):
    """The steps after an error: the unchanged table, and a good look-up."""
    steps = [do.show("m.weight")]
    return steps + ([do.tensor("good", indices([1 % rows])), do.forward("m", "good", "z")] if look_up else [])


def padding_outside():
    for rows, padding in ((4, 4), (4, 25), (4, -5), (4, -25), (1, 1), (1, -2), (4, 2**40), (0, 1), (0, -1), (3, 9)):
        yield Scenario(f"constructor: {rows} rows, padding_idx={padding}", "X1 E6 E8 U14", [
            do.embedding("m", rows, 3, padding_idx=padding, raises=True)])
        yield Scenario(f"from_pretrained: {rows} rows, padding_idx={padding}", "X1 P8", [
            do.tensor("w", counting(rows, 3)),
            do.from_pretrained("m", "w", padding_idx=padding, raises=True),
            do.show("w"),
        ])
        yield Scenario(f"functional: {rows} rows, padding_idx={padding}", "X1 F8", [
            do.tensor("w", counting(rows, 3)),
            do.tensor("i", indices([]) if rows == 0 else indices([0])),
            do.functional("y", "i", "w", padding_idx=padding, raises=True),
        ])
    for padding in (3, 2, -1):
        yield Scenario(f"the weight shrinks to 2 rows under padding_idx={padding}", "X1 F9", [
            do.embedding("m", 4, 3, padding_idx=padding),
            do.tensor("w", counting(2, 3)),
            do.tensor("i", indices([1])),
            do.set_weight("m", "w"),
            do.forward("m", "i", "y", raises=True),
            do.show("m.padding_idx"),
        ])
    yield Scenario("padding_idx=0 of a table without rows", "X3 E6", [
        do.embedding("m", 0, 3, padding_idx=0, raises=True, text="Padding_idx must be within num_embeddings",
                     because=".NET checks 0 as any other index")])


def negative_sizes():
    because = ".NET names the argument"
    for rows, columns, name in ((-1, 3, "numEmbeddings"), (3, -1, "embeddingDim"), (-1, -1, "numEmbeddings"),
                                (-5, 2, "numEmbeddings"), (0, -2, "embeddingDim"), (-(2**40), 3, "numEmbeddings")):
        yield Scenario(f"constructor: {rows}x{columns}", "X4 E10", [
            do.embedding("m", rows, columns, raises=True, text=name, because=because)])


def dtypes_that_cannot_learn():
    for dtype in INTEGER_DTYPES:
        yield Scenario(f"constructor: dtype={dtype}", "X5 E11", [do.embedding("m", 4, 3, dtype=dtype, raises=True)])
        yield Scenario(f"from_pretrained: a {dtype} table that is not frozen", "X5 P7", [
            do.tensor("w", value(dtype, [[0, 1], [1, 0]])),
            do.from_pretrained("m", "w", freeze=False, raises=True),
            do.show("w"),
        ])
        yield Scenario(f"to({dtype})", "X6 M5", [
            do.tensor("w", counting(4, 3)),
            do.from_pretrained("m", "w", freeze=False),
            do.to("m", dtype, raises=True),
            *works_on(),
        ])


def weights_that_are_no_table():
    for shape, rank in (((), "0-d"), ((3,), "1-D"), ((2, 2, 2), "3-D"), ((1, 1, 1, 1), "4-D"), ((0,), "empty 1-D")):
        for index in ("int64", "int32"):
            yield Scenario(f"functional: {rank} weight, {index}", "X7 F6 U10", [
                do.tensor("w", ones(shape)),
                do.tensor("i", indices([0], index)),
                do.functional("y", "i", "w", raises=True),
            ])
        yield Scenario(f"the weight becomes {rank}", "X7 X15 F6 F10" if rank == "0-d" else "X7 F6 F10", [
            do.embedding("m", 4, 3),
            do.tensor("w", ones(shape)),
            do.tensor("i", indices([0])),
            do.set_weight("m", "w"),
            do.forward("m", "i", "y", raises=True),
        ])
    yield Scenario("functional: weight and indices swapped", "X7 F2", [
        do.tensor("w", counting(4, 3)),
        do.tensor("i", indices([1, 2])),
        do.functional("y", "w", "i", raises=True),
    ])
    yield Scenario("functional: 3-D weight of size 1, padding_idx=1: the padding is checked first", "X1 F6", [
        do.tensor("w", ones((1, 2, 2))),
        do.tensor("i", indices([0])),
        do.functional("y", "i", "w", padding_idx=1, raises=True),
    ])
    for shape in ((), (3,), (2, 2, 2), (0,), (0, 3, 1)):
        for freeze in (True, False):
            yield Scenario(f"from_pretrained: {shape_text(shape)}, {'frozen' if freeze else 'trained'}", "X30 P2", [
                do.tensor("w", ones(shape)),
                do.from_pretrained("m", "w", freeze=freeze, raises=True),
                do.show("w"),
            ])


def wrong_index_dtypes():
    tensors = (((2,), [0, 1]), ((), [1]), ((0,), []), ((1, 2), [1, 0]))
    for dtype, (shape, numbers) in itertools.product(WRONG_INDEX_DTYPES, tensors):
        yield Scenario(f"{dtype} indices {shape_text(shape)}", "X8 F3", [
            do.tensor("w", counting(4, 3)),
            do.tensor("i", value(dtype, numbers, shape)),
            do.from_pretrained("m", "w", freeze=False),
            do.forward("m", "i", "y", raises=True),
            *works_on(),
        ])
    for dtype in WRONG_INDEX_DTYPES:
        yield Scenario(f"functional: {dtype} indices", "X8 F3", [
            do.tensor("w", counting(4, 3)),
            do.tensor("i", value(dtype, [1, 0])),
            do.functional("y", "i", "w", padding_idx=1, raises=True),
        ])
        yield Scenario(f"max_norm=1.0: {dtype} indices", "X9 F3", [
            do.tensor("w", counting(4, 3)),
            do.tensor("i", value(dtype, [1, 0])),
            do.from_pretrained("m", "w", max_norm=1.0),
            do.forward("m", "i", "y", raises=True),
            do.show("m.weight"),
        ])
        yield Scenario(f"functional, max_norm=1.0: {dtype} indices", "X9 F3", [
            do.tensor("w", counting(4, 3)),
            do.tensor("i", value(dtype, [1, 0])),
            do.functional("y", "i", "w", max_norm=1.0, raises=True),
            do.show("w"),
        ])


BAD_INDICES = (
    ("int64", [4]), ("int64", [0, -1]), ("int64", 4), ("int64", -1), ("int64", [[0, 1], [2, 9]]), ("int64", [[[3]], [[-5]]]),
    ("int64", [1, 2**40]), ("int64", [2**63 - 1]), ("int64", [-(2**63)]), ("int64", [2**32 + 1]), ("int32", [4]),
    ("int32", [[-1, 0]]), ("int32", 100), ("int32", [2**31 - 1]), ("int32", [-(2**31)]), ("int32", [0, 1, 2, 3, 4]),
)


def bad_indices():
    options = itertools.cycle(({}, {"padding_idx": 1}, {"sparse": True}, {"freeze": False},
                               {"padding_idx": -1, "sparse": True}, {"freeze": False, "scale_grad_by_freq": True}))
    layouts = itertools.cycle((None, "transposed", "strided", "narrowed", "expanded"))
    for dtype, index in BAD_INDICES:
        chosen, layout = next(options), next(layouts)
        name = f"{dtype} {index} into 4 rows"
        bad = do.tensor("i", indices(index, dtype))
        yield Scenario(f"{name}{told(chosen)}{', table ' + layout if layout else ''}", "X10 F4", [
            tensor("w", counting(4, 3), layout), bad,
            do.from_pretrained("m", "w", **chosen),
            do.forward("m", "i", "y", raises=True),
            *works_on(),
        ])
        yield Scenario(f"functional: {name}", "X10 F4", [
            do.tensor("w", counting(4, 3, requires_grad=True)), bad,
            do.functional("y", "i", "w", raises=True),
            do.show("w"),
        ])
        yield Scenario(f"max_norm=1.0: {name}", "X29 X10 N12 N13", [
            do.tensor("w", counting(4, 3)), bad,
            do.from_pretrained("m", "w", max_norm=1.0),
            do.forward("m", "i", "y", raises=True, text=RANGE, because=CHECKED_FIRST),
        ])
    for dtype in ("float16", "bfloat16", "float64"):
        yield Scenario(f"{dtype} table, index 4 of 4 rows", "X10 F4", [
            do.tensor("w", counting(4, 3, dtype)),
            do.tensor("i", indices([0, 4])),
            do.from_pretrained("m", "w"),
            do.forward("m", "i", "y", raises=True),
            *works_on(),
        ])
    yield Scenario("functional, max_norm=1.0: index 4 of 4 rows", "X29 N12", [
        do.tensor("w", counting(4, 3)),
        do.tensor("i", indices([0, 4])),
        do.functional("y", "i", "w", max_norm=1.0, raises=True, text=RANGE, because=CHECKED_FIRST),
    ])


def tables_without_elements():
    for rows, columns, index in ((0, 3, [0]), (0, 3, [5]), (0, 3, [-1]), (0, 0, [0]), (0, 3, 0), (3, 0, [5]), (3, 0, [-1]),
                                 (3, 0, [0, 3]), (3, 0, 3), (3, 0, [[0], [7]])):
        for dtype in ("int64", "int32"):
            yield Scenario(f"{rows}x{columns}, {dtype} {index}", "X13 X14 F5", [
                do.tensor("w", counting(rows, columns)),
                do.tensor("i", indices(index, dtype)),
                do.from_pretrained("m", "w"),
                do.forward("m", "i", "y", raises=True, text=RANGE, because=ONE_TEXT),
            ])


def max_norm_that_cannot_be():
    for dtype in ("uint8", "int16", "int32", "int64", "bool"):
        yield Scenario(f"max_norm on a {dtype} table", "X27 N8", [
            do.tensor("w", value(dtype, [[0, 1], [1, 1]])),
            do.tensor("i", indices([1])),
            do.functional("y", "i", "w", max_norm=1.0, raises=True),
            do.show("w"),
        ])
    for dtype in ("float32", "float64"):
        yield Scenario(f"max_norm on {dtype} rows whose columns share their memory", "X28 N10", [
            tensor("w", counting(4, 3, dtype), "expanded_columns"),
            do.tensor("i", indices([3])),
            do.from_pretrained("m", "w", max_norm=1.0),
            do.forward("m", "i", "y", raises=True),
            do.show("m.weight"),
        ])


def states_that_do_not_fit():
    """Shapes must be equal, because PyTorch does not broadcast a table. Some of these shapes could be broadcast."""
    module = [do.tensor("w", counting(4, 3)), do.from_pretrained("m", "w", freeze=False)]
    good = [do.tensor("good", ones([4, 3]))]
    for state in ({}, {"bias": "good"}, {"Weight": "good"}, {"weight": "good", "bias": "good"}, {"m.weight": "good"},
                  {"bias": "good", "scale": "good"}):
        yield Scenario(f"keys {list(state)}", "X35 X36 M2", [
            *module, *good, do.load_state_dict("m", state, raises=True), do.show("m.weight.grad"),
            do.show("m.weight.requires_grad")])
    for shape in ((5, 3), (4, 2), (3, 4), (1, 4, 3), (1, 3), (4, 1), (1, 1), (12,), (3,), (1,), (), (0, 3), (4, 3, 1)):
        for strict in (True, False):
            yield Scenario(f"a weight of {list(shape)} for 4x3, strict={strict}", "X37 M3", [
                *module, do.tensor("bad", ones(shape)),
                do.load_state_dict("m", {"weight": "bad"}, strict=strict, raises=True),
                do.show("m.weight"), *good, do.load_state_dict("m", {"weight": "good"}), do.show("m.weight")])
    yield Scenario("(1,) for 1x1", "X37 M3", [
        do.tensor("w", ones([1, 1])), do.from_pretrained("m", "w"), do.tensor("bad", value("float32", [2])),
        do.load_state_dict("m", {"weight": "bad"}, raises=True), do.show("m.weight")])
    for dtype in ("float64", "int64"):
        yield Scenario(f"a wrong shape of another dtype, {dtype}", "X37 M3", [
            *module, do.tensor("bad", ones([5, 3], dtype)), do.load_state_dict("m", {"weight": "bad"}, raises=True),
            do.show("m.weight")])


def scenarios():
    yield from padding_outside()
    yield from negative_sizes()
    yield from dtypes_that_cannot_learn()
    yield from weights_that_are_no_table()
    yield from wrong_index_dtypes()
    yield from bad_indices()
    yield from tables_without_elements()
    yield from max_norm_that_cannot_be()
    yield from states_that_do_not_fit()
