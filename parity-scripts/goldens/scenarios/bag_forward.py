"""The values of bags: sums, means and maxima, for every way to say where bags begin, every dtype and memory."""

import itertools

from bags import (BAGS, INDEX, MODES, SEVEN, TABLE, THREE_BAGS, bags_text, flat, index_steps, looked_up, needs_newer, numbers,
                  offsets_argument, offsets_of, options_of, rows_of_bags)
from cases import TABLE_LAYOUTS, distinct, given, pairwise, shape_text, tensor, told
from steps import Scenario, do
from values import ALL_FLOATS, counting, drawn, indices, seeded, ugly, value

ABOUT = "A bag is the sum, mean or maximum of its rows, added in the indices' order; an empty bag is zeros."

SCATTERED = (None, "strided", "narrowed")
# U18: five rows of two columns, bags of which two are empty.
FIVE_ROWS, SIX, FIVE_BAGS = [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]], [3, 1, 1, 1, 4, 0], [0, 0, 3, 3, 6]


def table(nested, dtype="float32", module="m", **options):
    return [do.tensor("w", value(dtype, nested)), do.bag_from_pretrained(module, "w", freeze=False, **options)]


def combinations():
    for case in pairwise(seeded("bags"), dtype=ALL_FLOATS, bags=BAGS, mode=MODES, index=INDEX, offsets=INDEX,
                         include_last_offset=(False, True), index_layout=TABLE_LAYOUTS, offsets_layout=SCATTERED,
                         table_layout=TABLE_LAYOUTS, scale_grad_by_freq=(False, True), sparse=(False, True)):
        if case["mode"] == "max":  # which takes neither
            case["scale_grad_by_freq"] = case["sparse"] = False
        name = f"{case['dtype']} 5x3; {bags_text(case)}"
        rng = seeded(name)
        yield Scenario(name, "B33 B39 B40 B41 B42 B43 B44 B45 B50 BU19 BD1 BD18 BD19", [
            tensor("w", numbers(rng, (5, 3), case["dtype"]), case["table_layout"]),
            *index_steps(rng, 5, case),
            do.bag_from_pretrained("m", "w", freeze=False, **options_of(case)),
            do.forward("m", "i", "y", **offsets_argument(case["bags"])),
        ], needs_newer(case))


def functional():
    for case in pairwise(seeded("bags functional"), dtype=ALL_FLOATS, bags=BAGS, mode=(None, *MODES), index=INDEX, offsets=INDEX,
                         include_last_offset=(False, True), requires_grad=(True, False), run=(None, "no_grad", "inference_mode")):
        name = (f"functional: {case['dtype']} {'weight' if case['requires_grad'] else 'constant'}; {bags_text(case)}"
                f"{', ' + case['run'] if case['run'] else ''}")
        rng = seeded(name)
        yield Scenario(name, "B3 B33 B39 B40 B41 B72", [
            do.tensor("w", numbers(rng, (4, 3), case["dtype"], case["requires_grad"])),
            *index_steps(rng, 4, case),
            do.functional_embedding_bag("y", "i", "w", **offsets_argument(case["bags"]), **options_of(case),
                                        **({case["run"]: True} if case["run"] else {})),
        ], needs_newer(case))


def documented_numbers():
    for dtype, mode in itertools.product(ALL_FLOATS, MODES):
        yield Scenario(f"three bags of seven indices, {dtype}, mode={mode}", "B39 B40 B41 B42", [
            *table(TABLE, dtype, mode=mode), *looked_up(SEVEN, THREE_BAGS)])
        yield Scenario(f"five bags of six indices, {dtype}, mode={mode}", "B39 BU18 BU20 BU21", [
            *table(FIVE_ROWS, dtype, mode=mode), *looked_up(SIX, FIVE_BAGS)])
    for mode in MODES:
        yield Scenario(f"the same bags 2-D and with offsets, mode={mode}", "B44 BD20 BU18", [
            *table(FIVE_ROWS, mode=mode), *looked_up([[3, 1], [1, 1], [4, 0]]), *looked_up([3, 1, 1, 1, 4, 0], [0, 2, 4])])
    yield Scenario("the page's from_pretrained", "B51 BD23", [
        do.tensor("w", value("float32", [[1, 2.3, 3], [4, 5.1, 6.3]])), do.bag_from_pretrained("m", "w"), *looked_up([[1, 0]]),
        do.print("y")])
    for options, index in (({}, [1, 2, 4, 5, 4, 3, 2, 9]), ({"padding_idx": 2}, [2, 2, 2, 2, 4, 3, 2, 9])):
        yield Scenario(f"the page's numbers with seed 0{told(options)}", "B51 BD14 BD15", [
            do.seed(0), do.embedding_bag("m", 10, 3, mode="sum", **options), *looked_up(index, [0, 4])])
    yield Scenario("the mean is the default", "B1 BD9 BU5", [*table([[1, 2, 3], [4, 5, 6]]), *looked_up([[0, 1]])])


def order_of_the_sum():
    columns = {"float16": [2048, 1, 1], "bfloat16": [256, 1, 1], "float32": [1e8, 1, -1e8], "float64": [1e17, 1, -1e17]}
    for (dtype, numbers_), mode in itertools.product(columns.items(), ("sum", "mean")):
        rows = [[number, -number] for number in numbers_]
        yield Scenario(f"added from the first index to the last, {dtype}, mode={mode}", "B34 B36", [
            *table(rows, dtype, mode=mode), *looked_up([[0, 1, 2], [0, 2, 1], [1, 2, 0]])])
    for dtype, mode in itertools.product(("float32", "float64", "float16"), ("sum", "mean")):
        name = f"a bag of 40 indices, {dtype}, mode={mode}"
        yield Scenario(name, "B34 B36", [
            *table([[0]], dtype), do.tensor("v", ugly(seeded(name), (9, 2), dtype)), do.set_weight("m", "v"),
            do.tensor("i", drawn(seeded(name), 9, (50,))), do.tensor("o", indices([0, 40])),
            do.functional_embedding_bag("y", "i", "v", offsets="o", mode=mode)])
    for dtype in ALL_FLOATS:
        yield Scenario(f"negative zeros, {dtype}", "B39 B41", [
            do.tensor("w", value(dtype, [["-0", 0], [0, "-0"]])),
            *(step for mode in MODES for step in (
                do.bag_from_pretrained(mode, "w", mode=mode), *looked_up([0, 0, 1, 1, 0], [0, 1, 3], f"y_{mode}", mode)))])
    for dtype, large in (("float16", 60000), ("float32", 3e38), ("bfloat16", 3e38), ("float64", 1.7e308)):
        yield Scenario(f"a sum that overflows, {dtype}", "B36", [
            do.tensor("w", value(dtype, [[large, -large]])),
            *(step for mode in MODES for step in (
                do.bag_from_pretrained(mode, "w", mode=mode), *looked_up([[0, 0]], as_=f"y_{mode}", of=mode)))])


def means():
    """The sum, divided: a product with the reciprocal would have other last bits."""
    for dtype, count in itertools.product(ALL_FLOATS, (3, 5, 6, 7, 11)):
        rows = [[1, 3, 5, 7, 10, 13]]
        yield Scenario(f"mean of {count} equal rows, {dtype}", "B40 B36", [
            *table(rows, dtype), do.tensor("v", value(dtype, [*rows, [0] * 6])), do.set_weight("m", "v"),
            *looked_up([[0] + [1] * (count - 1), [0] * 2 + [1] * (count - 2)])])


def ties_of_bfloat16():
    """Sums halfway between two numbers go to the even one."""
    rows = [[256, 258, -256, 1], [1, 1, -1, 2 ** -8], [3, 3, -3, 3 * 2 ** -8]]
    for (mode, layout), padding in itertools.product((("sum", None), ("mean", None), ("sum", "transposed")), (None, 0)):
        options = given({"mode": mode, "padding_idx": padding}, "mode", "padding_idx")
        before = [] if padding is None else [[9, 9, 9, 9]]
        first = len(before)
        yield Scenario(f"bfloat16 ties{told(options)}{', table ' + layout if layout else ''}", "B37", [
            tensor("w", value("bfloat16", before + rows), layout), do.bag_from_pretrained("m", "w", **options),
            *looked_up([first, first + 1, first, first + 2], [0, 2])])


def maxima():
    columns = {
        "nan first stays": [["nan", 1], [1, 2], ["inf", 3]],
        "nan later is never taken": [[1, 1], ["nan", 2], [2, "nan"]],
        "infinities": [["-inf", "inf"], ["-inf", "-inf"], ["-inf", 0]],
        "the first of equal zeros": [["-0", 0], [0, "-0"], [0, 0]],
        "negative numbers": [[-3, -1], [-2, -2], [-1, -3]],
    }
    for (name, rows), dtype in itertools.product(columns.items(), ALL_FLOATS):
        yield Scenario(f"maximum: {name}, {dtype}", "B41", [*table(rows, dtype, mode="max"), *looked_up([[0, 1, 2], [2, 1, 0]])])
    for mode, dtype in itertools.product(("sum", "mean"), ALL_FLOATS):
        yield Scenario(f"nan and infinities, {dtype}, mode={mode}", "B39 B40", [
            *table([["nan", 1, 1], ["inf", "inf", "-inf"], [2, "-inf", "-inf"]], dtype, mode=mode),
            *looked_up([0, 1, 2, 1, 2], [0, 1, 3])])


def last_offsets():
    """include_last_offset: with the last offset at the end it says nothing new; before the end, the rest is the last bag's."""
    for dtype, mode in itertools.product(ALL_FLOATS, MODES):
        rng = seeded("last offset", dtype, mode)
        yield Scenario(f"the last offset is the number of indices, {dtype}, mode={mode}", "B46 BD11", [
            do.tensor("w", numbers(rng, (4, 2), dtype)), do.bag_from_pretrained("m", "w", mode=mode),
            do.bag_from_pretrained("n", "w", mode=mode, include_last_offset=True),
            *looked_up(SEVEN, THREE_BAGS), *looked_up(SEVEN, [*THREE_BAGS, 7], "z", "n")])
    for mode, (dtype, padding) in itertools.product(MODES, (("float32", 0), ("float64", None), ("bfloat16", 1), ("float64", 1))):
        options = given({"mode": mode, "padding_idx": padding}, "mode", "padding_idx")
        for index, offsets in (([0, 1, 2, 3], [0, 2, 3]), ([3, 1, 1, 2, 0], [0, 0, 2, 2]), ([2, 1], [0, 1])):
            yield Scenario(f"a last offset of {offsets[-1]} before the end, {dtype}, {index}, {offsets}{told(options)}", "B47 BU7", [
                do.tensor("w", counting(4, 2, dtype)), do.bag_from_pretrained("m", "w", include_last_offset=True, **options),
                *looked_up(index, offsets)], newer_only=True)
    for index, offsets in (([0, 1, 2, 3], [0, 2, 3]), ([3, 1, 1, 2, 0], [0, 0, 2, 2])):
        yield Scenario(f"a last offset of {offsets[-1]} before the end, float32, {index}, {offsets}, mode=max", "B47", [
            do.tensor("w", counting(4, 2)), do.bag_from_pretrained("m", "w", include_last_offset=True, mode="max"),
            *looked_up(index, offsets)], newer_only=True)
    for mode in MODES:
        for index in ([[1, 2], [3, 0], [2, 2]], [[1]]):
            yield Scenario(f"2-D indices ignore include_last_offset, {index}, mode={mode}", "B45 BD11", [
                do.tensor("w", counting(4, 2)), do.bag_from_pretrained("m", "w", include_last_offset=True, mode=mode),
                *looked_up(index)], newer_only=True)


def without_elements():
    for mode, (rows, columns), dtype in itertools.product(MODES, ((0, 3), (3, 0), (0, 0)), ("float32", "float64")):
        yield Scenario(f"{rows}x{columns} table, empty bags, {dtype}, mode={mode}", "B49", [
            do.tensor("w", counting(rows, columns, dtype)), do.bag_from_pretrained("m", "w", mode=mode),
            *looked_up(indices([]), [0, 0])])
    for mode, dtype, index in itertools.product(MODES, ("float32", "float64"), (([0, 2, 1], [0, 1]), ([[0, 1], [2, 2]], None))):
        yield Scenario(f"a table without columns, {dtype}, {index[0]}, mode={mode}", "B49", [
            do.tensor("w", counting(3, 0, dtype)), do.bag_from_pretrained("m", "w", mode=mode), *looked_up(*index)])
    for ilo, mode, dtype in itertools.product((False, True), MODES, ALL_FLOATS):
        case = {"bags": flat(0), "mode": mode, "include_last_offset": ilo}
        yield Scenario(f"no indices and no bags, {dtype}{told(options_of(case))}", "B48", [
            do.tensor("w", counting(3, 2, dtype)), do.bag_from_pretrained("m", "w", **options_of(case)),
            *looked_up(indices([]), indices([]) and offsets_of(case))])
    for shape in ((0, 1), (0, 5)):
        yield Scenario(f"no rows of indices, {shape_text(shape)}", "B44", [
            do.tensor("w", counting(3, 2)), do.bag_from_pretrained("m", "w"), do.tensor("i", indices([], shape=shape)),
            do.forward("m", "i", "y")])


def small_integers():
    """Types that are no index types pass where the other tensor's type is one: both are taken as the larger."""
    for dtype, other in itertools.product(("int16", "int8", "uint8", "bool"), INDEX):
        yield Scenario(f"{dtype} indices with {other} offsets", "B25", [
            *table(TABLE, mode="sum"), do.tensor("i", indices([1, 0, 1], dtype)), do.tensor("o", indices([0, 1], other)),
            do.forward("m", "i", "y", offsets="o")])
        yield Scenario(f"{other} indices with {dtype} offsets", "B25", [
            *table(TABLE, mode="sum"), do.tensor("i", indices([3, 0, 2], other)), do.tensor("o", indices([0, 1], dtype)),
            do.forward("m", "i", "y", offsets="o")])


def other_uses():
    yield Scenario("swapped: the weight as input, the indices as weight", "B5", [
        do.tensor("w", counting(4, 3)), do.tensor("i", indices([0, 2])), do.tensor("o", indices([0])),
        do.functional_embedding_bag("y", "w", "i", offsets="o")])
    for mode, evaluate in itertools.product(MODES, (False, True)):
        yield Scenario(f"the result is no view of the table, mode={mode}{', eval' if evaluate else ''}", "B43 B50", [
            do.tensor("w", counting(4, 3)), do.bag_from_pretrained("m", "w", mode=mode), *([do.eval("m")] if evaluate else []),
            *looked_up([1], [0]), do.tensor("row", value("float32", [9, 9, 9])), do.write("w", 1, "row"), do.show("y"),
            do.forward("m", "i", "z", offsets="o")])
    for mode in MODES:
        yield Scenario(f"expanded indices, offsets and weights, mode={mode}", "B43", [
            tensor("w", counting(4, 3), "expanded"), do.bag_from_pretrained("m", "w", mode=mode),
            tensor("i", indices([2, 2, 2]), "expanded"), tensor("o", indices([0, 0]), "expanded"),
            do.forward("m", "i", "y", offsets="o")])
    for shape in ((3, 4), (4, 3)):
        bags = rows_of_bags(*shape)
        for layout, mode in itertools.product(TABLE_LAYOUTS[1:], MODES):
            case = {"bags": bags, "mode": mode, "index_layout": layout}
            yield Scenario(f"2-D: {bags_text(case)}", "B43 B44", [
                do.tensor("w", counting(5, 2)), *index_steps(seeded("2-D", shape, layout), 5, case),
                do.bag_from_pretrained("m", "w", mode=mode), do.forward("m", "i", "y")])


def scenarios():
    yield from distinct(combinations())
    yield from distinct(functional())
    yield from documented_numbers()
    yield from order_of_the_sum()
    yield from means()
    yield from ties_of_bfloat16()
    yield from maxima()
    yield from last_offsets()
    yield from without_elements()
    yield from small_integers()
    yield from other_uses()
