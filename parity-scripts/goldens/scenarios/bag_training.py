"""Bags that learn: each of the three optimizers, and TorchSharp's SGD, on dense and on sparse gradients."""

import itertools

from bags import INDEX, bags_text, count_of, flat, index_steps, needs_newer, offsets_argument, options_of, rows_of_bags
from cases import distinct, given, pairwise, tensor, told
from steps import OPTIMIZERS, Scenario, do
from training import optimizer, state, stepped
from values import counting, indices, ones, seeded, ugly, value

ABOUT = "Optimizers train a bag's rows from dense and sparse gradients as they train an Embedding's."

CHOICES = {
    "sgd": {"lr": (0.1, 0.5), "momentum": (None, 0.9), "dampening": (None, 0.5), "weight_decay": (None, 0.1), "maximize": (False, True)},
    "sparse_adam": {"lr": (0.1, 0.02), "beta1": (None, 0.5), "beta2": (None, 0.9), "eps": (None, 1e-3), "maximize": (False, True)},
    "adagrad": {"lr": (0.5, 0.3), "eps": (None, 1e-3), "initial_accumulator_value": (None, 0.25), "maximize": (False, True)},
    "own_sgd": {"lr": (0.1, 0.5), "momentum": (None, 0.9), "dampening": (None, 0.5), "weight_decay": (None, 0.1),
                "nesterov": (False, True), "maximize": (False, True)},
}
SHAPES = (flat(6, 0, 1, 4), flat(5, 0, 0, 2, 2, 5), rows_of_bags(2, 3), flat(19, 0, 8, 8, 17))
USUAL = {"sgd": {"lr": 0.1, "momentum": 0.9}, "sparse_adam": {"lr": 0.1}, "adagrad": {"lr": 0.5}, "own_sgd": {"lr": 0.1, "momentum": 0.9}}
SPARSE_OF = {"sgd": (True, False), "sparse_adam": (True,), "adagrad": (True, False), "own_sgd": (True, False)}


def batches(rng, case, kind, times=3):
    """So many look-ups, backward passes and steps, with everything that a step may change."""
    steps = []
    for _ in range(times):
        steps += [do.zero_grad("opt"), *index_steps(rng, 5, case),
                  do.forward("m", "i", "y", gives=False, **offsets_argument(case["bags"])),
                  do.tensor("g", ugly(rng, (count_of(case["bags"]), case["columns"]), case["dtype"])), do.backward("y", "g"),
                  *stepped(kind, optimizer="opt")]
    return steps


def combinations():
    for kind, choices in CHOICES.items():
        for case in pairwise(seeded("bags", kind), **choices, dtype=("float32", "float64"), columns=(1, 3, 5), bags=SHAPES,
                             mode=("sum", "mean", "max"), sparse=SPARSE_OF[kind], scale_grad_by_freq=(False, True),
                             include_last_offset=(False, True), padding_idx=(None, 0, -1), index=INDEX):
            if case["mode"] == "max":
                case["scale_grad_by_freq"] = False
                if kind == "sparse_adam":  # which takes no dense gradients
                    case["mode"] = "mean"
                case["sparse"] = case["sparse"] and case["mode"] != "max"
            if case["sparse"]:
                case["scale_grad_by_freq"], case["weight_decay"] = False, None
            if case.get("nesterov"):
                case["momentum"], case["dampening"] = 0.9, None
            if kind == "sgd" and case["maximize"] and (case["momentum"] or case["weight_decay"]):
                continue  # TorchSharp's momentum buffer has the other sign, and its decay is wrong
            options = given(case, *(name for name in OPTIMIZERS[kind] if name in case))
            name = f"{kind}{told(options)}; {case['dtype']} 5x{case['columns']}; {bags_text(case)}"
            rng = seeded(name)
            yield Scenario(name, "B79 O4", [
                tensor("w", ugly(rng, (5, case["columns"]), case["dtype"])),
                do.bag_from_pretrained("m", "w", freeze=False, **options_of(case)),
                getattr(do, kind)("opt", ["m.weight"], **options), *batches(rng, case, kind)], needs_newer(case))


def documented_numbers():
    """Rows 1, 2 and 3 after each step: the numbers of the specification."""
    for kind, options in (("sgd", {"lr": 0.1}), ("sgd", {"lr": 0.1, "momentum": 0.9}), ("sparse_adam", {}), ("adagrad", {}),
                          ("own_sgd", {"lr": 0.1}), ("own_sgd", {"lr": 0.1, "momentum": 0.9})):
        usual = {"sparse_adam": {"lr": 0.001}, "adagrad": {"lr": 0.01}}.get(kind, {})
        yield Scenario(f"two batches of ones, {kind}{told(options)}", "B79", [
            do.tensor("w", counting(4, 3)), do.bag_from_pretrained("m", "w", freeze=False, sparse=True, mode="sum"),
            optimizer(kind, {**usual, **options}),
            *(step for index, offsets in (([1, 2, 1], [0, 2]), ([2, 3], [0])) for step in (
                do.zero_grad("o"), do.tensor("i", indices(index)), do.tensor("f", indices(offsets)),
                do.forward("m", "i", "y", offsets="f", gives=False), do.tensor("g", ones([len(offsets), 3])), do.backward("y", "g"),
                *stepped(kind)))])


def with_weights():
    """The table and the weights are two parameters of one optimizer, or the weights alone learn."""
    for kind, sparse in itertools.product(("sgd", "adagrad", "own_sgd"), (False, True)):
        for learns in (("m.weight", "p"), ("p",)):
            name = f"{kind}, {'sparse' if sparse else 'dense'}: {' and '.join(learns)} learn"
            rng = seeded(name)
            freeze = "m.weight" not in learns
            yield Scenario(name, "B73 B75 B79", [
                do.tensor("w", ugly(rng, (4, 2))), do.bag_from_pretrained("m", "w", freeze=freeze, mode="sum", sparse=sparse),
                do.tensor("p", ugly(rng, (5,), requires_grad=True)), optimizer(kind, USUAL[kind], learns),
                *(step for _ in range(2) for step in (
                    do.zero_grad("o"), do.tensor("i", indices([1, 3, 3, 0, 1])), do.tensor("f", indices([0, 2])),
                    do.forward("m", "i", "y", offsets="f", per_sample_weights="p"), do.tensor("g", ugly(rng, (2, 2))),
                    do.backward("y", "g"), do.step("o"), do.show("p"), do.show("m.weight")))])


def empty_gradients():
    for kind, index in itertools.product(USUAL, ([], [1, 1])):
        yield Scenario(f"a step on a gradient without entries, {kind}, {index}", "B80 B69", [
            do.tensor("w", counting(4, 3)), do.bag_from_pretrained("m", "w", freeze=False, sparse=True, mode="sum", padding_idx=1),
            optimizer(kind, USUAL[kind]), do.tensor("i", indices(index)), do.tensor("f", indices([0, 0])),
            do.forward("m", "i", "y", offsets="f"), do.op("sum", ["y"], "s"), do.backward("s"), *stepped(kind),
            do.tensor("j", indices([[2, 3]])), do.zero_grad("o"), do.forward("m", "j", "z"), do.op("sum", ["z"], "t"), do.backward("t"),
            *stepped(kind)])


def saved():
    for kind, sparse in ((kind, sparse) for kind in SPARSE_OF for sparse in SPARSE_OF[kind]):
        if (kind, sparse) == ("sgd", True):
            continue  # TorchSharp's SGD cannot save a sparse momentum buffer
        name = f"the state saved and loaded, {kind}, {'sparse' if sparse else 'dense'}"
        rng = seeded(name)
        case = {"bags": SHAPES[0], "dtype": "float32", "columns": 3}
        yield Scenario(name, "B79 O6", [
            do.tensor("w", ugly(rng, (5, 3))), do.bag_from_pretrained("m", "w", freeze=False, sparse=sparse, mode="sum"),
            getattr(do, kind)("opt", ["m.weight"], **USUAL[kind]), *batches(rng, case, kind, 1),
            do.embedding_bag("n", 5, 3), do.save_load("m", "n"), getattr(do, kind)("other", ["n.weight"], **USUAL[kind]),
            do.save_load("opt", "other"), do.show("n.weight"), *state(kind, "other", "n.weight")])


def with_an_embedding():
    for kind, sparse in ((kind, sparse) for kind in SPARSE_OF for sparse in SPARSE_OF[kind]):
        name = f"an Embedding and a bag of one table, {kind}, {'sparse' if sparse else 'dense'}"
        rng = seeded(name)
        yield Scenario(name, "B71 B79", [
            do.tensor("w", ugly(rng, (4, 3))), do.bag_from_pretrained("m", "w", freeze=False, sparse=sparse),
            do.embedding("e", 4, 3, sparse=sparse), do.set_weight("e", "m.weight"), optimizer(kind, USUAL[kind]),
            *(step for _ in range(2) for step in (
                do.zero_grad("o"), do.tensor("i", indices([[1, 3], [3, 0]])), do.tensor("j", indices([3, 2])),
                do.forward("m", "i", "y", gives=False), do.forward("e", "j", "z", gives=False),
                do.tensor("h", ugly(rng, (2, 3))), do.op("mul", ["y", "h"], "a"), do.op("mul", ["z", "h"], "b"),
                do.op("add", ["a", "b"], "c"), do.op("sum", ["c"], "s"), do.backward("s"), *stepped(kind)))])
    yield Scenario("two bags in one group", "B79 O4", [
        do.tensor("v", counting(3, 2)), do.tensor("w", value("float32", [[1, 2, 3], [4, 5, 6]])),
        do.bag_from_pretrained("m", "v", freeze=False, sparse=True), do.bag_from_pretrained("n", "w", freeze=False, mode="max"),
        do.sgd("o", ["m.weight", "n.weight"], 0.5, momentum=0.5),
        *(step for _ in range(2) for step in (
            do.zero_grad("o"), do.tensor("i", indices([[1, 1], [0, 1]])), do.forward("m", "i", "y"), do.forward("n", "i", "z"),
            do.op("sum", ["y"], "a"), do.op("sum", ["z"], "b"), do.op("add", ["a", "b"], "s"), do.backward("s"), do.step("o"),
            do.show("m.weight"), do.show("n.weight")))])


def refused():
    yield Scenario("sparse_adam takes no dense gradient", "B79 X68", [
        do.tensor("w", counting(3, 2)), do.bag_from_pretrained("m", "w", freeze=False), do.sparse_adam("o", ["m.weight"], lr=0.1),
        do.tensor("i", indices([[1, 2]])), do.forward("m", "i", "y"), do.op("sum", ["y"], "s"), do.backward("s"),
        do.step("o", raises=True), do.show("m.weight")])
    for kind, proves in (("adagrad", "B79 X75"), ("own_sgd", "B79 S17 X60")):
        yield Scenario(f"{kind} takes no weight decay with a sparse gradient", proves, [
            do.tensor("w", counting(3, 2)), do.bag_from_pretrained("m", "w", freeze=False, sparse=True),
            optimizer(kind, {"lr": 0.1, "weight_decay": 0.5}), do.tensor("i", indices([[1, 2]])), do.forward("m", "i", "y"),
            do.op("sum", ["y"], "s"), do.backward("s"), do.step("o", raises=True), do.show("m.weight")])


def scenarios():
    yield from distinct(combinations())
    yield from documented_numbers()
    yield from with_weights()
    yield from empty_gradients()
    yield from saved()
    yield from with_an_embedding()
    yield from refused()
