"""EmbeddingBag.from_pretrained: a bag over rows that exist."""

import itertools

from bags import GRADIENTS, MODES, SEVEN, TABLE, THREE_BAGS, looked_up, numbers
from cases import TABLE_LAYOUTS, given, tensor, told
from steps import Scenario, do
from values import ALL_FLOATS, counting, indices, ones, seeded, ugly, value

ABOUT = "from_pretrained reads and trains the given tensor's own memory, frozen by default, and takes the options of the constructor."

ATTRIBUTES = ("num_embeddings", "embedding_dim", "max_norm", "norm_type", "scale_grad_by_freq", "mode", "sparse",
              "include_last_offset", "padding_idx", "training", "weight.requires_grad", "weight.dtype")
OPTIONS = ({}, {"max_norm": 1.0}, {"norm_type": 1.0}, {"scale_grad_by_freq": True}, {"mode": "sum"}, {"mode": "max"}, {"sparse": True},
           {"include_last_offset": True}, {"padding_idx": 1}, {"padding_idx": -1},
           {"max_norm": 0.5, "norm_type": 3.0, "scale_grad_by_freq": True, "mode": "sum", "include_last_offset": True, "padding_idx": 0})


def attributes():
    for options, freeze in itertools.product(OPTIONS, (None, True, False)):
        given_freeze = {} if freeze is None else {"freeze": freeze}
        yield Scenario(f"attributes{told(options)}{'' if freeze is None else f', freeze={freeze}'}", "B2 B6 B13", [
            do.tensor("w", counting(4, 3)), do.bag_from_pretrained("m", "w", **given_freeze, **options),
            *[do.show(f"m.{name}") for name in ATTRIBUTES]])


def values():
    for dtype, layout, mode in itertools.product(ALL_FLOATS, TABLE_LAYOUTS, MODES):
        name = f"{dtype} {layout or 'row-major'}, mode={mode}"
        rng = seeded(name)
        yield Scenario(name, "B13 B14 BU1", [
            tensor("w", numbers(rng, (4, 3), dtype), layout), do.bag_from_pretrained("m", "w", mode=mode), do.show("m.weight"),
            *looked_up([2, 0, 3], [0, 1])])
    for dtype in ALL_FLOATS:
        yield Scenario(f"two rows come back as they are, {dtype}", "BU1 B13", [
            do.tensor("w", value(dtype, [[1, 2, 3], [4, 5, 6]])), do.bag_from_pretrained("m", "w"), *looked_up([0, 1], [0, 1])])
    for shape in ((0, 3), (3, 0), (1, 1)):
        yield Scenario(f"a table of {shape[0]}x{shape[1]}", "B13 B49", [
            do.tensor("w", counting(*shape)), do.bag_from_pretrained("m", "w"), do.show("m.num_embeddings"), do.show("m.embedding_dim"),
            *looked_up(indices([]), [0])])


def memory():
    for mode, layout in itertools.product(MODES, (None, "transposed", "narrowed")):
        yield Scenario(f"a write to the source is seen, mode={mode}{', ' + layout if layout else ''}", "B13 P3", [
            tensor("w", counting(4, 3), layout), do.bag_from_pretrained("m", "w", mode=mode), *looked_up([[1, 2]]),
            do.tensor("row", value("float32", [9, -9, 9])), do.write("w", 1, "row"), do.forward("m", "i", "z")])
    for sparse, mode in itertools.product((False, True), ("sum", "mean")):
        options = given({"sparse": sparse}, "sparse")
        yield Scenario(f"training changes the source, mode={mode}{told(options)}", "B13 P3 BD22", [
            do.tensor("w", value("float32", TABLE)), do.bag_from_pretrained("m", "w", freeze=False, mode=mode, **options),
            do.sgd("sgd", ["m.weight"], 0.5), *looked_up(SEVEN, THREE_BAGS), do.tensor("g", value("float32", GRADIENTS)),
            do.backward("y", "g"), do.step("sgd"), do.show("w"), do.show("m.weight"), do.forward("m", "i", "z", offsets="o")])
    yield Scenario("reset_parameters and loading write to the source", "B13 P3", [
        do.tensor("w", counting(4, 5)), do.bag_from_pretrained("m", "w", padding_idx=1), do.seed(2), do.reset_parameters("m"),
        do.show("w"), do.tensor("v", ones([4, 5])), do.load_state_dict("m", {"weight": "v"}), do.show("w")])
    yield Scenario("no random number is drawn", "B13 P9", [
        do.seed(5), do.tensor("w", counting(4, 3)), do.bag_from_pretrained("m", "w", padding_idx=0), do.randn([2])])


def freezing():
    for mode, freeze in itertools.product(MODES, (True, False)):
        yield Scenario(f"freeze={freeze}, mode={mode}", "B13 P6 BD22", [
            do.tensor("w", counting(4, 3)), do.bag_from_pretrained("m", "w", freeze=freeze, mode=mode), *looked_up([[1, 2]]),
            do.op("sum", ["y"], "s"), do.backward("s", raises=freeze), do.show("m.weight.grad"),
            do.requires_grad_("m.weight", freeze), do.forward("m", "i", "z")])
    for freeze in (True, False):
        yield Scenario(f"the source's own requires_grad is left alone, freeze={freeze}", "B13 P4", [
            do.tensor("w", value("float32", TABLE, requires_grad=True)), do.bag_from_pretrained("m", "w", freeze=freeze),
            do.show("w.requires_grad"), do.show("m.weight.requires_grad"), do.show("m.weight.is_leaf"), *looked_up([[1, 2]]),
            do.op("sum", ["y"], "s"), do.backward("s", raises=freeze), do.show("w.grad"), do.show("m.weight.grad")])
        yield Scenario(f"a source without a gradient gets none, freeze={freeze}", "B13 P4", [
            do.tensor("w", value("float32", TABLE)), do.bag_from_pretrained("m", "w", freeze=freeze), do.show("w.requires_grad"),
            do.parameters("m"), do.state_dict("m")])
    yield Scenario("of a computed tensor", "B13 P4", [
        do.tensor("w", value("float32", TABLE, requires_grad=True)), do.op("square", ["w"], "v"),
        do.bag_from_pretrained("m", "v", freeze=False), do.show("m.weight.is_leaf"), *looked_up([[1, 2]]), do.op("sum", ["y"], "s"),
        do.backward("s"), do.show("w.grad"), do.show("m.weight.grad")])
    yield Scenario("of a frozen Embedding's weight, as the page does", "B15 BD16", [
        do.seed(1), do.embedding("e", 10, 3, padding_idx=2), do.bag_from_pretrained("m", "e.weight", padding_idx=2, mode="sum"),
        do.show("m.weight.requires_grad"), do.show("e.weight.requires_grad"), *looked_up([2, 2, 2, 2, 4, 3, 2, 9], [0, 4]),
        do.tensor("row", value("float32", [1, 2, 3])), do.write("e.weight", 4, "row"), do.forward("m", "i", "z", offsets="o")])


def upstream_checks():
    for padding in (0, 2, -1):
        yield Scenario(f"the padding row of the source is kept, padding_idx={padding}", "BU2 B13", [
            do.tensor("w", value("float32", [[7, 7, 7, 7]] * 4, requires_grad=True)),
            do.bag_from_pretrained("m", "w", padding_idx=padding), do.show("m.weight")])
    for mode in MODES:
        yield Scenario(f"a module with an assigned weight gives what the function gives, mode={mode}", "BU3", [
            do.tensor("w", ugly(seeded("BU3"), (4, 3))), do.tensor("i", indices([[1, 3], [0, 2]])), do.embedding_bag("m", 4, 3, mode=mode),
            do.set_weight("m", "w"), do.forward("m", "i", "y"), do.functional_embedding_bag("z", "i", "w", mode=mode),
            do.bag_from_pretrained("n", "w", padding_idx=2, mode=mode), do.forward("n", "i", "u"),
            do.functional_embedding_bag("v", "i", "w", padding_idx=2, mode=mode)])
    for dtype in ALL_FLOATS:
        yield Scenario(f"the mean of two rows, {dtype}", "BU5 BD9", [
            do.tensor("w", value(dtype, [[1, 2, 3], [4, 5, 6]])), do.bag_from_pretrained("m", "w"), *looked_up([[0, 1]])])


def scenarios():
    yield from attributes()
    yield from values()
    yield from memory()
    yield from freezing()
    yield from upstream_checks()
