"""Look-ups: every index shape and memory layout on every dtype of table."""

from cases import SHAPES, TABLE_LAYOUTS, distinct, given, memory_text, pairwise, shape_text, tensor, told
from steps import Scenario, do
from values import ALL_FLOATS, counting, drawn, indices, seeded, ugly, value

ABOUT = "A look-up copies rows bit for bit, for any shape and memory of the indices, any dtype and memory of the table."

INTEGER_TABLES = ("uint8", "int8", "int16", "int32", "int64", "bool")
INDEX = ("int64", "int32")

SPECIALS = {
    "float16": ["-0", "0", "inf", "-inf", "nan", "nan:7e01", "nan:fe00", "nan:ffff", 6e-08, -6e-08, 65504, 6.1e-05],
    "bfloat16": ["-0", "0", "inf", "-inf", "nan", "nan:7fc1", "nan:ffc0", "nan:7fff", 1e-40, -1e-40, 3.38e38, 1.2e-38],
    "float32": ["-0", "0", "inf", "-inf", "nan", "nan:7fc00001", "nan:ffc00000", "nan:7fffffff", 1e-45, -1e-40,
                3.4028235e38, 1.17549435e-38],
    "float64": ["-0", "0", "inf", "-inf", "nan", "nan:7ff8000000000001", "nan:fff8000000000000", "nan:7fffffffffffffff",
                5e-324, -1e-310, 1.7976931348623157e308, 2.2250738585072014e-308],
}


def named(case, columns, options):
    return f"{case['dtype']} {columns}; {case['index']} {shape_text(case['shape'])}{told(options)}{memory_text(case)}"


def shapes_and_layouts():
    for case in pairwise(seeded("forward"), dtype=ALL_FLOATS, shape=SHAPES, index=INDEX, index_layout=TABLE_LAYOUTS,
                         table_layout=TABLE_LAYOUTS, padding_idx=(None, 0, 2, -1), sparse=(False, True)):
        options = given(case, "padding_idx", "sparse")
        name = named(case, "5x3", options)
        rng = seeded(name)
        yield Scenario(name, "F1 F7 F11 F12 F16", [
            tensor("w", ugly(rng, (5, 3), case["dtype"]), case["table_layout"]),
            tensor("i", drawn(rng, 5, case["shape"], case["index"]), case["index_layout"]),
            do.from_pretrained("m", "w", freeze=False, **options),
            do.forward("m", "i", "y"),
        ])


def integer_tables():
    for case in pairwise(seeded("integer tables"), dtype=INTEGER_TABLES, shape=SHAPES, table_layout=TABLE_LAYOUTS,
                         index=INDEX, padding_idx=(None, 1), functional=(False, True)):
        options = given(case, "padding_idx")
        name = f"{'functional: ' if case['functional'] else ''}{named(case, '4x3', options)}"
        look_up = [do.functional("y", "i", "w", **options)] if case["functional"] else [
            do.from_pretrained("m", "w", **options), do.forward("m", "i", "y")]
        rng = seeded(name)
        low, high = {"bool": (0, 1), "uint8": (0, 255)}.get(case["dtype"], (-100, 100))
        yield Scenario(name, "F1 F12 P7 U5", [
            tensor("w", value(case["dtype"], [rng.randint(low, high) for _ in range(12)], (4, 3)), case["table_layout"]),
            do.tensor("i", drawn(rng, 4, case["shape"], case["index"])),
            *look_up,
        ])


def functional():
    for case in pairwise(seeded("functional"), dtype=ALL_FLOATS, shape=SHAPES, padding_idx=(None, 0, 3, -1, -4), index=INDEX,
                         requires_grad=(True, False), table_layout=TABLE_LAYOUTS, scale_grad_by_freq=(False, True),
                         sparse=(False, True)):
        options = given(case, "padding_idx", "scale_grad_by_freq", "sparse")
        name = f"functional: {named(case, 'weight' if case['requires_grad'] else 'constant', options)}"
        rng = seeded(name)
        yield Scenario(name, "F1 F2 F7 F8 F16", [
            tensor("w", ugly(rng, (4, 3), case["dtype"], case["requires_grad"]), case["table_layout"]),
            do.tensor("i", drawn(rng, 4, case["shape"], case["index"])),
            do.functional("y", "i", "w", **options),
        ])


def special_values():
    for dtype, numbers in SPECIALS.items():
        for layout in (None, "transposed"):
            for freeze in (True, False):
                name = f"special values, {dtype}, {layout or 'row-major'}, {'frozen' if freeze else 'trained'}"
                yield Scenario(name, "F12", [
                    tensor("w", value(dtype, numbers, (4, 3)), layout),
                    do.tensor("i", indices([3, 0, 1, 2, 1])),
                    do.from_pretrained("m", "w", freeze=freeze),
                    do.forward("m", "i", "y"),
                ])


def degenerate_tables():
    for rows, columns, shape in ((0, 3, (0,)), (0, 3, (2, 0)), (0, 0, (0,)), (3, 0, (2,)), (3, 0, (2, 2)), (3, 0, ()),
                                 (1, 1, (2,)), (1, 1, ()), (1, 3, (2, 1)), (4, 1, (3,))):
        for index in INDEX:
            name = f"{rows}x{columns} table, {index} {shape_text(shape)}"
            yield Scenario(name, "F1 F5", [
                do.tensor("w", counting(rows, columns)),
                do.tensor("i", drawn(seeded(name), max(rows, 1), shape, index)),
                do.from_pretrained("m", "w"),
                do.forward("m", "i", "y"),
            ])


def modes():
    look_up = do.tensor("i", indices([1, 3]))
    for mode in ("no_grad", "inference_mode"):
        for sparse in (False, True):
            options = given({"sparse": sparse}, "sparse")
            yield Scenario(f"under {mode} a result needs no gradient{told(options)}", "F13", [
                do.tensor("w", counting(4, 3)), look_up,
                do.from_pretrained("m", "w", freeze=False, **options),
                do.forward("m", "i", "y", **{mode: True}),
                do.forward("m", "i", "z"),
            ])
            yield Scenario(f"functional under {mode}{told(options)}", "F13", [
                do.tensor("w", counting(4, 3, requires_grad=True)), look_up,
                do.functional("y", "i", "w", **options, **{mode: True}),
                do.functional("z", "i", "w", **options),
            ])


def independence():
    """A result is a copy, never a view of the table."""
    for dtype in ALL_FLOATS:
        for shape in ((), (2,), (2, 2)):
            name = f"a later write to the {dtype} table leaves the result of {shape_text(shape)}"
            rng = seeded(name)
            yield Scenario(name, "F11", [
                do.tensor("w", ugly(rng, (4, 3), dtype)),
                do.tensor("i", drawn(rng, 4, shape)),
                do.tensor("other", ugly(rng, (4, 3), dtype)),
                do.from_pretrained("m", "w", freeze=False),
                do.forward("m", "i", "y"),
                do.write("m.weight", value="other"),
                do.show("y"),
                do.forward("m", "i", "z"),
            ])
    yield Scenario("a write to the result leaves the table", "F11", [
        do.tensor("w", counting(4, 3)),
        do.tensor("i", indices([1, 1, 2])),
        do.tensor("other", counting(3, 3)),
        do.from_pretrained("m", "w"),
        do.forward("m", "i", "y"),
        do.write("y", value="other"),
        do.show("m.weight"),
    ])


def scenarios():
    yield from distinct(shapes_and_layouts())
    yield from distinct(integer_tables())
    yield from distinct(functional())
    yield from special_values()
    yield from degenerate_tables()
    yield from modes()
    yield from independence()
