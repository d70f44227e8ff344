"""max_norm of bags: the rows of every index are shortened in place, before the bags are made."""

import itertools

from bags import (BAGS, GRADIENTS, INDEX, MODES, SEVEN, TABLE, THREE_BAGS, WEIGHTS, bags_text, flat, index_steps, looked_up,
                  needs_newer, offsets_argument, options_of)
from cases import TABLE_LAYOUTS, distinct, given, pairwise, tensor, told
from steps import Scenario, do
from values import ALL_FLOATS, counting, indices, ones, seeded, ugly, value

ABOUT = "max_norm rescales the row of each index, padding too, whose norm is greater, for good, and before the bag is made."

INF, NAN = float("inf"), float("nan")
NORM_TYPES = (None, 1.0, 3.0, 0.5, INF, 0.0, -INF, -1.0, 0.1)
LIMITS = (1.0, 0.1, 0.7, 1 / 3, 1e-3, 2.2, 0.0, -1.0, INF, NAN)
CHANGED = "one of the variables needed for gradient computation has been modified by an inplace operation"
OWN_TYPE_NAMES = "libtorch names tensor types in another way than Python"


def combinations():
    """The results of bfloat16 bags are not shown: how a bag of such rows is rounded is bag_forward's matter."""
    for case in pairwise(seeded("bags max_norm"), dtype=ALL_FLOATS, bags=BAGS, mode=MODES, max_norm=LIMITS, norm_type=NORM_TYPES,
                         index=INDEX, offsets=INDEX, include_last_offset=(False, True), padding_idx=(None, 1, -1),
                         table_layout=TABLE_LAYOUTS, index_layout=(None, "strided", "narrowed"), freeze=(True, False)):
        name = f"{case['dtype']} 4x3; {bags_text(case)}{', frozen' if case['freeze'] else ''}"
        rng = seeded(name)
        yield Scenario(name, "B54 B55 BD6 BD7", [
            tensor("w", ugly(rng, (4, 3), case["dtype"]), case["table_layout"]),
            *index_steps(rng, 4, case),
            do.bag_from_pretrained("m", "w", freeze=case["freeze"], **options_of(case)),
            do.forward("m", "i", "y", gives=case["dtype"] != "bfloat16", **offsets_argument(case["bags"])),
            do.show("w"),
        ], needs_newer(case))


def functional():
    for case in pairwise(seeded("bags max_norm functional"), dtype=ALL_FLOATS, mode=(None, *MODES), max_norm=LIMITS[:6],
                         norm_type=(None, 1.0, INF), bags=(flat(6, 0, 1, 4), BAGS[7]), padding_idx=(None, 0, -2), index=INDEX,
                         run=(None, "no_grad", "inference_mode"), requires_grad=(True, False)):
        name = (f"functional: {case['dtype']} 4x3; {bags_text(case)}{', ' + case['run'] if case['run'] else ''}"
                f"{', requires grad' if case['requires_grad'] else ''}")
        rng = seeded(name)
        yield Scenario(name, "B54 BD24", [
            do.tensor("w", ugly(rng, (4, 3), case["dtype"], case["requires_grad"])), *index_steps(rng, 4, case),
            do.functional_embedding_bag("y", "i", "w", **offsets_argument(case["bags"]), **options_of(case),
                                        gives=case["dtype"] != "bfloat16", **({case["run"]: True} if case["run"] else {})),
            do.show("w"),
        ])


def doubles_are_not_narrowed():
    for limit, dtype in itertools.product(LIMITS[1:6], ("float32", "float64")):
        name = f"twelve {dtype} rows, max_norm={limit}"
        yield Scenario(name, "B54 B84", [
            do.tensor("w", ugly(seeded(name), (12, 3), dtype)), do.bag_from_pretrained("m", "w", max_norm=limit),
            *looked_up(list(range(12)), [0, 5]), do.show("w")])
    yield Scenario("float64 [3, 4], max_norm=0.1", "B54 B84", [
        do.tensor("w", value("float64", [[3, 4]])), do.bag_from_pretrained("m", "w", max_norm=0.1), *looked_up([0], [0]),
        do.show("w")])
    yield Scenario("float64 [3, 4], norm_type=0.1", "B54 B84", [
        do.tensor("w", value("float64", [[3, 4]])), do.bag_from_pretrained("m", "w", max_norm=1.0, norm_type=0.1),
        *looked_up([0], [0]), do.show("w")])


def which_rows():
    for dtype, mode, padding in itertools.product(ALL_FLOATS, MODES, (None, 1)):
        options = given({"mode": mode, "padding_idx": padding}, "mode", "padding_idx")
        yield Scenario(f"[3, 4] and others, {dtype}{told(options)}", "B54 B55", [
            do.tensor("w", value(dtype, [[3, 4], [0, -10], [0.5, 0.5], [6, 8]])),
            do.bag_from_pretrained("m", "w", max_norm=5.0, **options),
            *looked_up([0, 1, 2, 1], [0, 2], gives=dtype != "bfloat16"), do.show("w")])
    for mode, dtype in itertools.product(MODES, ("float32", "float64")):
        for index, offsets in (([0, 1, 2, 3], [0, 2, 3]), ([3, 1, 0], [0, 1])):
            # Only where the plain kernel gives the bags: see bag_forward's last offsets.
            options = {"padding_idx": 2} if dtype == "float32" else {}
            yield Scenario(f"rows after a last offset of {offsets[-1]} too, {dtype}, {index}, mode={mode}{told(options)}", "B55 B47", [
                do.tensor("w", counting(4, 2, dtype)),
                do.bag_from_pretrained("m", "w", max_norm=1.0, mode=mode, include_last_offset=True, **options),
                *looked_up(index, offsets), do.show("w")], newer_only=True)
    for mode, evaluate, freeze in itertools.product((None, "no_grad", "inference_mode"), (True, False), (True, False)):
        words = [word for word in (mode, "frozen" if freeze else "trained", "eval" if evaluate else None) if word]
        yield Scenario(f"rescaled also when {', '.join(words)}", "B54", [
            do.tensor("w", counting(4, 3)), do.bag_from_pretrained("m", "w", freeze=freeze, max_norm=1.5),
            *([do.eval("m")] if evaluate else []), *looked_up([[2, 1]], **({mode: True} if mode else {})), do.show("w")])
    yield Scenario("no indices rescale no row", "B54", [
        do.tensor("w", counting(4, 2)), do.bag_from_pretrained("m", "w", max_norm=1.0), *looked_up(indices([]), [0, 0]), do.show("w")])
    for dtype in ("float32", "float64", "float16"):
        name = f"twice, {dtype}"
        yield Scenario(name, "B54", [
            do.tensor("w", ugly(seeded(name), (6, 5), dtype)), do.bag_from_pretrained("m", "w", max_norm=0.7),
            *looked_up([5, 0, 3, 3, 1, 5], [0, 2]), do.show("w"), *looked_up([0, 1, 2, 3], [0, 0], "z"), do.show("w")])


def pretrained():
    yield Scenario("column maxima of the changed source, norm_type=0.5", "BU6", [
        do.tensor("w", value("float64", [[1, 2, 3], [4, 5, 6]])),
        do.bag_from_pretrained("m", "w", max_norm=2.0, norm_type=0.5, mode="max", scale_grad_by_freq=False, sparse=False),
        *looked_up([[0, 1]]), do.show("w")])


def gradients():
    """The gradient knows nothing of the rescaling; that of the weights uses the rescaled rows."""
    for mode, sparse, padding, dtype in itertools.product(MODES, (False, True), (None, 1), ("float32", "float64", "bfloat16")):
        if mode == "max" and sparse:
            continue
        options = given({"mode": mode, "sparse": sparse, "padding_idx": padding}, "mode", "sparse", "padding_idx")
        yield Scenario(f"gradient, {dtype}{told(options)}", "B57", [
            do.tensor("w", value(dtype, TABLE)), do.bag_from_pretrained("m", "w", freeze=False, max_norm=0.5, **options),
            *looked_up(SEVEN, THREE_BAGS, gives=dtype != "bfloat16"), do.tensor("g", value(dtype, GRADIENTS)), do.backward("y", "g"),
            do.show("m.weight.grad"), do.show("m.weight")])
    for dtype, padding, sparse in itertools.product(("float32", "float64"), (None, 0), (False, True)):
        options = given({"sparse": sparse, "padding_idx": padding}, "sparse", "padding_idx")
        yield Scenario(f"weights, {dtype}{told(options)}", "B57", [
            do.tensor("w", value(dtype, TABLE)), do.bag_from_pretrained("m", "w", freeze=False, max_norm=0.5, mode="sum", **options),
            do.tensor("p", value(dtype, WEIGHTS, requires_grad=True)), *looked_up(SEVEN, THREE_BAGS, per_sample_weights="p"),
            do.tensor("g", value(dtype, GRADIENTS)), do.backward("y", "g"), do.show("m.weight.grad"), do.show("p.grad")])
    for frequency, mode in itertools.product((False, True), ("sum", "mean")):
        options = given({"scale_grad_by_freq": frequency}, "scale_grad_by_freq")
        yield Scenario(f"two look-ups, one backward, mode={mode}{told(options)}", "B58 B66", [
            do.tensor("w", counting(4, 2)), do.bag_from_pretrained("m", "w", freeze=False, max_norm=1.0, mode=mode, **options),
            do.tensor("i", indices([[0, 1]])), do.tensor("j", indices([[3, 1]])), do.forward("m", "i", "y"), do.forward("m", "j", "z"),
            do.op("add", ["y", "z"], "sum", gives=True), do.tensor("g", value("float32", [[0.5, 2]])), do.backward("sum", "g"),
            do.show("m.weight.grad"), do.show("w")])
    yield Scenario("two look-ups with constant weights, one backward", "B58", [
        do.tensor("w", counting(4, 2)), do.bag_from_pretrained("m", "w", freeze=False, max_norm=1.0, mode="sum"),
        do.tensor("p", value("float32", [[0.5, 3]])), do.tensor("i", indices([[0, 1]])), do.tensor("j", indices([[3, 1]])),
        do.forward("m", "i", "y", per_sample_weights="p"), do.forward("m", "j", "z", per_sample_weights="p"),
        do.op("add", ["y", "z"], "sum"), do.tensor("g", value("float32", [[0.5, 2]])), do.backward("sum", "g"),
        do.show("m.weight.grad")])
    yield Scenario("two look-ups with trained weights: the first one's rows have changed", "B58 B76 X23", [
        do.tensor("w", counting(4, 2)), do.bag_from_pretrained("m", "w", freeze=False, max_norm=1.0, mode="sum"),
        do.tensor("p", value("float32", [[0.5, 3]], requires_grad=True)), do.tensor("i", indices([[0, 1]])),
        do.forward("m", "i", "y", per_sample_weights="p"), do.forward("m", "i", "z", per_sample_weights="p"),
        do.op("sum", ["y"], "s"), do.backward("s", raises=True, text=CHANGED, because=OWN_TYPE_NAMES), do.show("p.grad")])
    for name, raises in (("clone", False), ("exp", True)):
        refused = {"raises": True, "text": CHANGED, "because": OWN_TYPE_NAMES} if raises else {}
        yield Scenario(f"functional on the result of {name}", "B54 N17 X23", [
            do.tensor("w", value("float32", [[3, 4], [0, 0]], requires_grad=True)), do.op(name, ["w"], "c"),
            do.tensor("i", indices([[0]])), do.functional_embedding_bag("y", "i", "c", max_norm=1.0, gives=not raises),
            do.op("sum", ["y"], "s"), do.backward("s", **refused), do.show("w"), do.show("w.grad")])


def training():
    for mode, sparse in itertools.product(("sum", "mean"), (False, True)):
        options = {"sparse": True} if sparse else {}
        yield Scenario(f"a step may leave the limit until the next look-up, mode={mode}{told(options)}", "B54 N18", [
            do.tensor("w", value("float32", [[0.5, 0.5], [0.25, 0], [2, 2]])),
            do.bag_from_pretrained("m", "w", freeze=False, max_norm=1.0, mode=mode, **options), do.sgd("o", ["m.weight"], 0.5),
            *looked_up([[0, 1], [1, 1]]), do.tensor("g", value("float32", [[-4, 0], [0, 2]])), do.backward("y", "g"), do.step("o"),
            do.show("m.weight"), do.forward("m", "i", "z"), do.show("m.weight")])
    yield Scenario("the Embedding over the same weight sees the rows of the bag's limit", "B54 B71", [
        do.tensor("w", counting(4, 2)), do.bag_from_pretrained("m", "w", max_norm=1.0), do.embedding("e", 4, 2),
        do.set_weight("e", "m.weight"), *looked_up([[1, 2]]), do.tensor("j", indices([0, 1, 2, 3])), do.forward("e", "j", "z"),
        do.tensor("v", ones([4, 2])), do.load_state_dict("e", {"weight": "v"}), do.forward("m", "i", "y")])


def scenarios():
    yield from distinct(combinations())
    yield from distinct(functional())
    yield from doubles_are_not_narrowed()
    yield from which_rows()
    yield from pretrained()
    yield from gradients()
    yield from training()
