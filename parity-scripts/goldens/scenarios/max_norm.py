"""max_norm: looked-up rows are shortened in place."""

import itertools

from cases import SHAPES, TABLE_LAYOUTS, distinct, given, pairwise, possible, shape_text, tensor, told
from steps import Scenario, do
from values import ALL_FLOATS, counting, drawn, indices, ones, seeded, ugly, value

ABOUT = "max_norm rescales each looked-up row whose norm is greater, for good, and before the look-up; no other row changes."

INF, NAN = float("inf"), float("nan")
NORM_TYPES = (2.0, 1.0, 3.0, 0.5, INF, 0.0, -INF, -1.0, 0.1)
LIMITS = (1.0, 0.1, 0.7, 1 / 3, 1e-3, 2.2, 0.0, -1.0, INF, NAN)
CHANGED_IN_BETWEEN = "one of the variables needed for gradient computation has been modified by an inplace operation"
OWN_TYPE_NAMES = "libtorch names tensor types in another way than Python"


def options_of(case):
    norm_type = {} if case.get("norm_type", 2.0) == 2.0 else {"norm_type": case["norm_type"]}
    return {"max_norm": case["max_norm"], **norm_type}


def table_of(dtype, rows):
    return do.tensor("w", value(dtype, rows))


def looked_up(index, times=1):
    """The result, and the table after it."""
    return [do.tensor("i", indices(index)), *[do.forward("m", "i", "y")] * times, do.show("m.weight")]


def norms_and_limits():
    for case in pairwise(seeded("max_norm"), norm_type=NORM_TYPES, max_norm=LIMITS, dtype=ALL_FLOATS,
                         shape=SHAPES, layout=TABLE_LAYOUTS, padding_idx=(None, 1, -1), freeze=(True, False)):
        options = {**given(case, "padding_idx"), **options_of(case)}
        name = (f"{case['dtype']} {case['layout'] or 'row-major'}; {shape_text(case['shape'])}{told(options)}"
                f"{', frozen' if case['freeze'] else ''}")
        rng = seeded(name)
        yield Scenario(name, "N1 N3 N5 N6 N8 N9 N10 N11", [
            tensor("w", ugly(rng, (4, 3), case["dtype"]), case["layout"]),
            do.tensor("i", drawn(rng, 4, case["shape"])),
            do.from_pretrained("m", "w", freeze=case["freeze"], **options),
            do.forward("m", "i", "y"),
            do.show("w"),
        ])


def functional():
    for case in pairwise(seeded("max_norm functional"), norm_type=(2.0, 1.0, INF), max_norm=LIMITS[:6], dtype=ALL_FLOATS,
                         index=("int64", "int32"), padding_idx=(None, 0, -2), mode=(None, "no_grad", "inference_mode"),
                         requires_grad=(True, False)):
        options = {**given(case, "padding_idx"), **options_of(case)}
        name = (f"functional: {case['dtype']}, {case['index']}{told(options)}{', ' + case['mode'] if case['mode'] else ''}"
                f"{', requires grad' if case['requires_grad'] else ''}")
        rng = seeded(name)
        yield Scenario(name, "N1 N3 N11", [
            do.tensor("w", ugly(rng, (4, 3), case["dtype"], case["requires_grad"])),
            do.tensor("i", drawn(rng, 4, (3,), case["index"])),
            do.functional("y", "i", "w", **options, **({case["mode"]: True} if case["mode"] else {})),
            do.show("w"),
        ])


def doubles_are_not_narrowed():
    """The limit and the exponent are doubles. Rounded to 32 bits, they would give other last bits and other decisions."""
    for limit in LIMITS[1:6]:
        for dtype in ("float32", "float64"):
            name = f"twelve {dtype} rows, max_norm={limit}"
            yield Scenario(name, "N1 N19", [
                do.tensor("w", ugly(seeded(name), (12, 3), dtype)),
                do.from_pretrained("m", "w", max_norm=limit),
                *looked_up(list(range(12))),
            ])
    yield Scenario("float64 [3, 4], max_norm=0.1", "N19", [
        table_of("float64", [[3, 4]]), do.from_pretrained("m", "w", max_norm=0.1), *looked_up([0])])
    yield Scenario("float32 0.1 is more than the double 0.1", "N19", [
        table_of("float32", [[0.1]]), do.from_pretrained("m", "w", max_norm=0.1), *looked_up([0])])
    yield Scenario("float32 0.7 is less than the double 0.7", "N19", [
        table_of("float32", [[0.7]]), do.from_pretrained("m", "w", max_norm=0.7), *looked_up([0])])
    yield Scenario("float64 [3, 4], norm_type=0.1", "N20", [
        table_of("float64", [[3, 4]]), do.from_pretrained("m", "w", max_norm=1.0, norm_type=0.1), *looked_up([0])])


def documented_numbers():
    for norm_type, dtype in itertools.product(NORM_TYPES[:-1], ALL_FLOATS):
        options = options_of({"max_norm": 1.0, "norm_type": norm_type})
        yield Scenario(f"{dtype} [3, -4]{told(options)}", "N2 N5 N8", [
            table_of(dtype, [[3, -4], [0, 0], [0.25, 0.5]]), do.from_pretrained("m", "w", **options), *looked_up([0, 1, 2])])


def decisions():
    cases = {
        "a row exactly at the limit stays": ("N2", 5.0, [[3, 4]]),
        "a row just over the limit": ("N1", 5.0, [[3, 4.000001]]),
        "limit 0 makes zeros, negative ones too": ("N6", 0.0, [[3, -4], [0, 0]]),
        "limit -1 turns signs, of zeros too": ("N6", -1.0, [[3, -4], [0, "-0"]]),
        "an infinite limit never fires": ("N6", INF, [[3, -4], ["inf", 1], ["nan", 1]]),
        "limit nan never fires": ("N6", NAN, [[3, -4], ["inf", 1], ["nan", 1]]),
        "a row with nan stays": ("N7", 1.0, [["nan", 30], ["nan", "inf"]]),
        "a row with infinity": ("N7", 1.0, [["inf", 3], ["-inf", -3]]),
        "a limit under every number": ("N1", 1e-320, [[1, 2], [1e-30, 0]]),
        "a tiny limit": ("N1", 1e-30, [[1, 2], [1e-20, 1e-20]]),
        "zeros stay": ("N6", 1.0, [[0, 0], ["-0", 0]]),
    }
    for (name, (proves, limit, rows)), dtype in itertools.product(cases.items(), ("float32", "float64")):
        yield Scenario(f"{name}, {dtype}", proves, [
            table_of(dtype, rows), do.from_pretrained("m", "w", max_norm=limit), *looked_up(list(range(len(rows))))])
    for dtype, large, small in (("float32", 1e30, 1e-30), ("float16", 60000, 6e-8), ("bfloat16", 1e30, 1e-30),
                                ("float64", 1e200, 1e-200)):
        yield Scenario(f"a norm that overflows, {dtype}", "N7", [
            table_of(dtype, [[large, -large]]), do.from_pretrained("m", "w", max_norm=1.0), *looked_up([0])])
        yield Scenario(f"a norm that underflows, {dtype}", "N7", [
            table_of(dtype, [[small] * 4]), do.from_pretrained("m", "w", max_norm=small / 10), *looked_up([0])])


def repeated():
    for dtype in ALL_FLOATS:
        for limit in (1.0, 0.7):
            name = f"two look-ups, {dtype}, max_norm={limit}"
            rng = seeded(name)
            yield Scenario(name, "N4 N2", [
                do.tensor("w", ugly(rng, (6, 5), dtype)),
                do.from_pretrained("m", "w", max_norm=limit),
                *looked_up([5, 0, 3, 3, 1, 5]), *looked_up([0, 1, 2, 3], times=2),
            ])
    yield Scenario("equal indices give equal rows of norm 1 or less", "U4 N2", [
        do.tensor("w", ugly(seeded("U4"), (9, 4))),
        do.from_pretrained("m", "w", freeze=False, max_norm=1.0),
        *looked_up([2, 8, 8, 6]),
    ])
    yield Scenario("4000 of two rows in turn would give what four do", "U4 N2", [
        do.tensor("w", ugly(seeded("turns"), (2, 5))),
        do.from_pretrained("m", "w", max_norm=1.0),
        *looked_up([[0, 1, 0, 1], [1, 0, 1, 0]]),
    ])
    yield Scenario("the given table is rescaled, norm_type=0.5", "U7 N3", [
        table_of("float64", [[1, 2, 3], [4, 5, 6]]),
        do.from_pretrained("m", "w", max_norm=2.0, norm_type=0.5, sparse=True),
        *looked_up([0, 1]), do.show("w"),
    ])


def any_mode():
    """Evaluation mode, no_grad, inference mode and freezing do not stop the rescaling."""
    for mode, freeze, evaluate in itertools.product((None, "no_grad", "inference_mode"), (True, False), (True, False)):
        words = [word for word in (mode, "frozen" if freeze else "trained", "eval" if evaluate else None) if word]
        yield Scenario(f"rescaled also when {', '.join(words)}", "N3 M6", [
            do.tensor("w", counting(4, 3)),
            do.from_pretrained("m", "w", freeze=freeze, max_norm=1.5),
            *([do.eval("m")] if evaluate else []),
            do.tensor("i", indices([2, 2, 0])),
            do.forward("m", "i", "y", **({mode: True} if mode else {})),
            do.show("w"),
        ])
    for padding in (1, -3, 0):
        yield Scenario(f"the padding row is rescaled like any other, padding_idx={padding}", "N9", [
            do.tensor("w", counting(4, 3)),
            do.from_pretrained("m", "w", padding_idx=padding, max_norm=1.0),
            *looked_up([1, 2, padding % 4]),
        ])


def index_memory():
    for layout, dtype, shape in itertools.product(TABLE_LAYOUTS[1:], ("int64", "int32"), ((3,), (2, 3))):
        if possible(layout, shape):
            name = f"{dtype} indices {shape_text(shape)} {layout}"
            yield Scenario(name, "N11", [
                do.tensor("w", ugly(seeded(name), (5, 2))),
                tensor("i", drawn(seeded(name), 5, shape, dtype), layout),
                do.from_pretrained("m", "w", max_norm=0.5),
                do.forward("m", "i", "y"),
                do.show("m.weight"),
            ])


def gradients():
    """The gradient ignores the rescaling."""
    for sparse, padding, dtype in itertools.product((False, True), (None, 1), ("float32", "float64", "bfloat16")):
        options = given({"padding_idx": padding, "sparse": sparse}, "padding_idx", "sparse")
        yield Scenario(f"gradient rows 1, 1, 2, 0, {dtype}{told(options)}", "N16 U12", [
            do.tensor("w", counting(4, 2, dtype)),
            do.tensor("i", indices([0, 1, 2, 2])),
            do.from_pretrained("m", "w", freeze=False, max_norm=1.0, **options),
            do.forward("m", "i", "y"),
            do.tensor("g", ones([4, 2], dtype)),
            do.backward("y", "g"),
            do.show("m.weight.grad"),
            do.show("m.weight"),
        ])
    yield Scenario("two look-ups, one backward", "N15", [
        do.tensor("w", counting(4, 2)),
        do.from_pretrained("m", "w", freeze=False, max_norm=1.0),
        do.tensor("i", indices([0, 1])), do.tensor("j", indices([3, 1])),
        do.forward("m", "i", "y"), do.forward("m", "j", "z"),
        do.op("add", ["y", "z"], "sum", gives=True),
        do.tensor("g", ones([2, 2])),
        do.backward("sum", "g"),
        do.show("m.weight.grad"),
    ])
    for used, raises in (("the weight", True), ("a clone of the weight", False)):
        refused = {"raises": True, "text": CHANGED_IN_BETWEEN, "because": OWN_TYPE_NAMES} if raises else {}
        yield Scenario(f"{used} in the graph before the look-up", "N14 X23", [
            do.tensor("w", counting(4, 2)),
            do.from_pretrained("m", "w", freeze=False, max_norm=1.0),
            do.tensor("i", indices([1, 3])),
            *([] if raises else [do.op("clone", ["m.weight"], "c")]),
            do.op("square", ["m.weight" if raises else "c"], "before"),
            do.forward("m", "i", "y"),
            do.op("sum", ["before"], "a"), do.op("sum", ["y"], "b"), do.op("add", ["a", "b"], "s"),
            do.backward("s", **refused),
            do.show("m.weight.grad"),
        ])
    yield Scenario("the weight in the graph after the look-up", "N14", [
        do.tensor("w", counting(4, 2)),
        do.from_pretrained("m", "w", freeze=False, max_norm=2.0),
        do.tensor("i", indices([1])),
        do.forward("m", "i", "y"),
        do.op("square", ["m.weight"], "after"),
        do.op("sum", ["after"], "a"), do.op("sum", ["y"], "b"), do.op("add", ["a", "b"], "s"),
        do.backward("s"),
        do.show("m.weight.grad"),
    ])
    # Upstream computes this tangent in forward mode. Two backward passes give it too, and TorchSharp has only those.
    yield Scenario("a tangent of ones stays ones", "U13 N16", [
        do.tensor("w", counting(6, 2, "float64")),
        do.from_pretrained("m", "w", freeze=False, max_norm=1.0),
        do.tensor("i", indices([0, 1, 2, 2])), do.forward("m", "i", "y"),
        do.tensor("g", value("float64", [0] * 8, [4, 2], requires_grad=True)),
        do.grad("y", "m.weight", "g", create_graph=True, as_="d"),
        do.tensor("tangent", ones([6, 2], "float64")), do.op("mul", ["d", "tangent"], "p"), do.op("sum", ["p"], "s"),
        do.backward("s"), do.show("g.grad"),
    ])
    for name, raises in (("clone", False), ("exp", True)):
        refused = {"raises": True, "text": CHANGED_IN_BETWEEN, "because": OWN_TYPE_NAMES} if raises else {}
        yield Scenario(f"functional on the result of {name}", "N17 X23", [
            do.tensor("w", value("float32", [[3, 4], [0, 0]], requires_grad=True)),
            do.op(name, ["w"], "c"),
            do.tensor("i", indices([0])),
            do.functional("y", "i", "c", max_norm=1.0, gives=not raises),
            do.op("sum", ["y"], "s"),
            do.backward("s", **refused),
            do.show("w"), do.show("w.grad"),
        ])


def training():
    for sparse, momentum in itertools.product((False, True), (None, 0.5)):
        options = {"momentum": momentum} if momentum else {}
        yield Scenario(f"a step may leave the limit until the next look-up{told(given({'sparse': sparse}, 'sparse'))}"
                       f"{told(options)}", "N18", [
            do.tensor("w", value("float32", [[0.5, 0.5], [0.25, 0], [2, 2]])),
            do.from_pretrained("m", "w", freeze=False, max_norm=1.0, sparse=sparse),
            do.sgd("o", ["m.weight"], 0.5, **options),
            do.tensor("i", indices([0, 1, 1])),
            do.tensor("g", value("float32", [[-4, 0], [0, 2], [0, 2]])),
            do.forward("m", "i", "y"), do.backward("y", "g"), do.step("o"), do.show("m.weight"),
            do.forward("m", "i", "z"), do.show("m.weight"),
        ])


def scenarios():
    yield from distinct(norms_and_limits())
    yield from distinct(functional())
    yield from doubles_are_not_narrowed()
    yield from documented_numbers()
    yield from decisions()
    yield from repeated()
    yield from any_mode()
    yield from index_memory()
    yield from gradients()
    yield from training()
