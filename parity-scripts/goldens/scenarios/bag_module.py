"""What an EmbeddingBag does as a module: its parameter, its state, conversion, hooks."""

import itertools

from bags import GRADIENTS, MODES, SEVEN, TABLE, THREE_BAGS, looked_up
from cases import given, told
from steps import Scenario, do
from values import ALL_FLOATS, counting, indices, ones, seeded, ugly, value

ABOUT = "As a module the bag has one parameter, drawn as an Embedding's, keeps it when loading and converting, and obeys hooks."

ATTRIBUTES = ("num_embeddings", "embedding_dim", "max_norm", "norm_type", "scale_grad_by_freq", "mode", "sparse",
              "include_last_offset", "padding_idx", "training")


def learn(dtype="float32"):
    return [*looked_up([[1, 2], [2, 0]], gives=False), do.tensor("g", value(dtype, [[1, 2, 3], [4, 5, 6]])), do.backward("y", "g"),
            do.show("m.weight.grad")]


def attributes():
    for options in ({}, {"max_norm": 1.5}, {"norm_type": 3.0}, {"scale_grad_by_freq": True}, {"mode": "sum"}, {"mode": "max"},
                    {"sparse": True}, {"include_last_offset": True}, {"padding_idx": -1}, {"padding_idx": 0}):
        yield Scenario(f"attributes{told(options)}", "B1 B6 BD5 BD13", [
            do.embedding_bag("m", 4, 3, **options), *[do.show(f"m.{name}") for name in ATTRIBUTES], do.show("m.weight.requires_grad"),
            do.show("m.weight.dtype"), do.show("m.weight.shape"), do.show("m.weight.is_leaf"), do.show("m.weight.grad"),
            do.parameters("m")])


def drawn_tables():
    """The numbers and the generator's state are those of an Embedding."""
    for (rows, columns), dtype, padding in itertools.product(((2, 3), (4, 5), (10, 3), (0, 3)), (None, "float32", "float64"), (None, -1)):
        if padding is not None and rows == 0 or dtype == "float64" and rows * columns < 16:
            continue
        options = given({"padding_idx": padding, "dtype": dtype}, "padding_idx", "dtype")
        yield Scenario(f"drawn, {rows}x{columns}{told(options)}", "B8", [
            do.seed(0), do.embedding_bag("m", rows, columns, **options), do.show("m.weight"), do.randn([2])])
    for padding in (None, 2):
        options = given({"padding_idx": padding}, "padding_idx")
        yield Scenario(f"an Embedding's numbers{told(options)}", "B8", [
            do.seed(7), do.embedding("e", 5, 4, **options), do.seed(7), do.embedding_bag("m", 5, 4, **options), do.show("e.weight"),
            do.show("m.weight")])
        yield Scenario(f"reset_parameters draws again in place{told(options)}", "B8", [
            do.embedding_bag("m", 5, 4, **options), do.seed(7), do.reset_parameters("m"), do.show("m.weight"), do.randn([2]),
            do.parameters("m")])
    for dtype in ("float64", "float32"):
        yield Scenario(f"default dtype {dtype}", "B8", [
            do.default_dtype(dtype), do.seed(0), do.embedding_bag("m", 4, 5), do.show("m.weight")])


def parameters_and_state():
    for mode, freeze in itertools.product(MODES, (True, False)):
        yield Scenario(f"one parameter, mode={mode}, {'frozen' if freeze else 'trained'}", "B6", [
            do.tensor("w", counting(2, 3)), do.bag_from_pretrained("m", "w", freeze=freeze, mode=mode), do.parameters("m"),
            do.state_dict("m"), do.show("m.weight.requires_grad")])
    for source, target in itertools.product(ALL_FLOATS, repeat=2):
        yield Scenario(f"a {source} state into a {target} module", "B78 M2", [
            do.embedding_bag("m", 2, 3, dtype=target), do.tensor("new", value(source, [[0.1, 1 / 3, -0.7], [3, 1e-6, 1234.567]])),
            do.load_state_dict("m", {"weight": "new"}), do.show("m.weight")])
    for strict, options in itertools.product((True, False), ({}, {"padding_idx": 1}, {"sparse": True})):
        yield Scenario(f"loading overwrites every row, strict={strict}{told(options)}", "B78 M2", [
            do.embedding_bag("m", 3, 2, **options), do.tensor("new", counting(3, 2)),
            do.load_state_dict("m", {"weight": "new"}, strict=strict), do.show("m.weight"),
            do.tensor("zero", value("float32", [0, 0])), do.write("new", 0, "zero"), do.show("m.weight")])
    for sparse in (False, True):
        yield Scenario(f"loading keeps the gradient and the optimizer's hold{', sparse' if sparse else ''}", "B78 M2", [
            do.seed(4), do.embedding_bag("m", 3, 3, mode="sum", sparse=sparse), do.sgd("o1", ["m.weight"], 0.5), *learn(),
            do.tensor("new", counting(3, 3)), do.load_state_dict("m", {"weight": "new"}), do.show("m.weight.grad"),
            do.step("o1"), do.show("m.weight")])
    yield Scenario("not strict: what is missing stays, what is too much is named", "B78 M2", [
        do.tensor("w", counting(2, 2)), do.bag_from_pretrained("m", "w"), do.tensor("new", ones([2, 2])),
        do.load_state_dict("m", {}, strict=False), do.show("m.weight"),
        do.load_state_dict("m", {"weight": "new", "bias": "new"}, strict=False), do.show("m.weight")])
    yield Scenario("a state goes from an Embedding into a bag and back", "B78 M2", [
        do.tensor("w", counting(3, 2)), do.from_pretrained("e", "w"), do.embedding_bag("m", 3, 2),
        do.load_state_dict("m", {"weight": "e.weight"}), do.show("m.weight"), do.embedding("f", 3, 2),
        do.load_state_dict("f", {"weight": "m.weight"}), do.show("f.weight")])
    for dtype in ALL_FLOATS:
        name = f"{dtype} saved and loaded"
        yield Scenario(name, "B78 M12", [
            do.tensor("w", ugly(seeded(name), (3, 2), dtype)), do.bag_from_pretrained("m", "w", padding_idx=1),
            do.embedding_bag("n", 3, 2, dtype=dtype), do.save_load("m", "n"), do.show("n.weight"), do.show("n.padding_idx"),
            do.show("m.weight")])


def converting():
    for source, target in itertools.product(ALL_FLOATS, repeat=2):
        name = f"{source} to {target}"
        yield Scenario(name, "B78 M5", [
            do.tensor("w", ugly(seeded(name), (3, 3), source)), do.bag_from_pretrained("m", "w", freeze=False, mode="max"),
            do.to("m", target), do.show("m.weight"), *looked_up([[2, 0]])])
    for target, sparse, mode in itertools.product(("float64", "float16", "bfloat16"), (False, True), ("sum", "mean")):
        options = given({"sparse": sparse, "mode": mode}, "sparse", "mode")
        yield Scenario(f"the gradient goes to {target} with the weight{told(options)}", "B78 M5", [
            do.tensor("w", counting(4, 3)), do.bag_from_pretrained("m", "w", freeze=False, **options), *learn(), do.to("m", target),
            do.show("m.weight.grad"), do.show("m.weight")])
        yield Scenario(f"an optimizer built before to({target}) still trains{told(options)}", "B78 M5", [
            do.tensor("w", counting(4, 3)), do.bag_from_pretrained("m", "w", freeze=False, **options),
            do.sgd("o1", ["m.weight"], 0.5), do.to("m", target), *learn(target), do.step("o1"), do.show("m.weight"),
            do.zero_grad("o1"), do.show("m.weight.grad")])
    for freeze in (True, False):
        yield Scenario(f"there and back, {'frozen' if freeze else 'trained'}", "B78 M5", [
            do.tensor("w", ugly(seeded("there and back"), (3, 3), "float64")), do.bag_from_pretrained("m", "w", freeze=freeze),
            do.to("m", "float16"), do.show("m.weight"), do.to("m", "float64"), do.show("m.weight"), do.show("w")])
    yield Scenario("an Embedding over the same weight, converted after the bag", "B71 B78", [
        do.tensor("w", counting(4, 3)), do.bag_from_pretrained("m", "w", freeze=False, mode="sum"), do.embedding("e", 4, 3),
        do.set_weight("e", "m.weight"), do.to("m", "float64"), do.show("e.weight"), *learn("float64"), do.show("e.weight.grad")])


def modes():
    for mode, evaluate in itertools.product(MODES, (False, True)):
        yield Scenario(f"train and eval only set `training`, mode={mode}{', eval' if evaluate else ''}", "B50 B78", [
            do.tensor("w", value("float32", TABLE)), do.bag_from_pretrained("m", "w", freeze=False, mode=mode),
            *([do.eval("m")] if evaluate else [do.train("m")]), do.show("m.training"), *looked_up(SEVEN, THREE_BAGS),
            do.tensor("g", value("float32", GRADIENTS)), do.backward("y", "g"), do.show("m.weight.grad")])
    for of in ("m", "m.weight"):
        yield Scenario(f"requires_grad_ of {'the module' if of == 'm' else 'the weight'}", "B78 M18", [
            do.tensor("w", counting(3, 3)), do.bag_from_pretrained("m", "w", freeze=False, mode="sum"), do.requires_grad_(of, False),
            *looked_up([[1]]), do.requires_grad_(of, True), *learn()])
    for sparse, of in itertools.product((False, True), ("m", "o1")):
        yield Scenario(f"zero_grad of the {'module' if of == 'm' else 'optimizer'} drops the gradient{', sparse' if sparse else ''}",
                       "B78 M13", [
            do.tensor("w", counting(3, 3)), do.bag_from_pretrained("m", "w", freeze=False, sparse=sparse, mode="sum"),
            do.sgd("o1", ["m.weight"], 0.5), *learn(), do.zero_grad(of), do.show("m.weight.grad"), do.step("o1"), do.show("m.weight"),
            *learn()])
    for run in ("no_grad", "inference_mode"):
        for mode in MODES:
            yield Scenario(f"under {run}, mode={mode}", "B33", [
                do.tensor("w", value("float32", TABLE)), do.bag_from_pretrained("m", "w", freeze=False, mode=mode),
                *looked_up(SEVEN, THREE_BAGS, **{run: True}), do.show("y.requires_grad")])


def hooks():
    """The pre-hook sees the offsets and the weights too, and leaves them."""
    for kinds in (("forward_pre",), ("forward",), ("forward_pre", "forward"), ("forward", "forward")):
        made = [do.hook("m", kind, f"h{at}") for at, kind in enumerate(kinds)]
        undone = [do.unhook(f"h{at}") for at in range(len(kinds))]
        table = [do.tensor("w", counting(5, 3)), do.bag_from_pretrained("m", "w", freeze=False, mode="sum")]
        yield Scenario(f"hooks {', '.join(kinds)}, 2-D", "B78 M14", [
            *table, *made, *looked_up([[1, 2]]), do.forward("m", "i", "z", no_grad=True), *undone, do.forward("m", "i", "u")])
        yield Scenario(f"hooks {', '.join(kinds)}, offsets", "B78 M14", [
            *table, *made, *looked_up([1, 2, 3], [0, 1]), *undone, do.forward("m", "i", "u", offsets="o")])
        yield Scenario(f"hooks {', '.join(kinds)}, offsets and weights, with a gradient", "B78 M14", [
            *table, do.tensor("p", value("float32", [1, 2, 4], requires_grad=True)), *made,
            *looked_up([1, 2, 3], [0, 1], per_sample_weights="p"), do.op("sum", ["y"], "s"), do.backward("s"), do.show("m.weight.grad"),
            do.show("p.grad")])


def replaced_weights():
    for rows, columns, sparse, mode in itertools.product((2, 9), (1, 5), (False, True), ("sum", "mean")):
        options = given({"sparse": sparse, "mode": mode}, "sparse", "mode")
        yield Scenario(f"a {rows}x{columns} weight takes the place of 4x3{told(options)}", "B78 F10", [
            do.embedding_bag("m", 4, 3, **options), do.tensor("w", counting(rows, columns)), do.set_weight("m", "w"),
            *looked_up([[rows - 1, 0, 0]]), do.op("sum", ["y"], "s"), do.backward("s"), do.show("m.weight.grad"), do.parameters("m"),
            do.show("m.num_embeddings")])
    for padding in (1, -1, -4):
        yield Scenario(f"padding is counted in the weight that is there, padding_idx={padding}", "B24 B78", [
            do.embedding_bag("m", 4, 3, padding_idx=padding), do.tensor("w", counting(9, 3)), do.set_weight("m", "w"),
            *looked_up([[1, 3], [0, 8]]), do.show("m.padding_idx")])
    for sparse in (False, True):
        yield Scenario(f"two bags of one weight{', sparse' if sparse else ''}", "B71 M16", [
            do.tensor("w", counting(4, 3)), do.bag_from_pretrained("m", "w", freeze=False, mode="sum", sparse=sparse),
            do.embedding_bag("n", 4, 3, mode="max"), do.set_weight("n", "m.weight"), do.tensor("i", indices([[1, 3], [0, 3]])),
            do.forward("m", "i", "y"), do.forward("n", "i", "z"), do.op("add", ["y", "z"], "t"), do.op("sum", ["t"], "s"),
            do.backward("s"), do.show("m.weight.grad"), do.show("n.weight.grad")])
    yield Scenario("an optimizer does not follow a replaced weight", "B78 M15", [
        do.tensor("old", counting(4, 3)), do.bag_from_pretrained("m", "old", freeze=False, mode="sum"), do.sgd("o1", ["m.weight"], 0.5),
        do.tensor("w", ones([4, 3])), do.set_weight("m", "w"), *learn(), do.step("o1"), do.show("m.weight"), do.show("old")])


def scenarios():
    yield from attributes()
    yield from drawn_tables()
    yield from parameters_and_state()
    yield from converting()
    yield from modes()
    yield from hooks()
    yield from replaced_weights()
