"""What an Embedding does as a module: its parameter, its state, conversion, containers, hooks."""

import itertools

from cases import given, told
from steps import Scenario, do
from values import ALL_FLOATS, counting, indices, ones, seeded, ugly, value

ABOUT = "As a module the layer has one parameter, keeps it when loading and converting, and obeys containers, hooks, modes."


def look_up(*index, of="m", as_="y"):
    return [do.tensor("i", indices(list(index))), do.forward(of, "i", as_)]


def learn(*index, of="m", weight="m.weight", dtype="float32"):
    """A backward pass with a gradient of ones, and the resulting gradient."""
    return [*look_up(*index, of=of), do.tensor("g", ones([len(index), 3], dtype)), do.backward("y", "g"),
            do.show(f"{weight}.grad")]


def parameters_and_state():
    for options in ({}, {"padding_idx": 1}, {"sparse": True}, {"max_norm": 1.0, "scale_grad_by_freq": True}):
        for freeze in (True, False):
            yield Scenario(f"one parameter{told(options)}, {'frozen' if freeze else 'trained'}", "M1", [
                do.tensor("w", counting(2, 3)), do.from_pretrained("m", "w", freeze=freeze, **options),
                do.parameters("m"), do.state_dict("m"), do.show("m.weight.requires_grad")])
    for dtype in ALL_FLOATS:
        yield Scenario(f"state of a {dtype} table", "M1", [
            do.tensor("w", ugly(seeded("state", dtype), (2, 3), dtype)), do.from_pretrained("m", "w"),
            do.state_dict("m")])
    yield Scenario("in a Sequential the name has the position before it", "M1 M9", [
        do.tensor("w", counting(2, 3)), do.tensor("v", ones([3, 1])),
        do.from_pretrained("a", "w"), do.from_pretrained("b", "v", freeze=False), do.sequential("s", ["a", "b"]),
        do.parameters("s"), do.state_dict("s"), do.show("s.0.weight"), do.show("s.1.weight")])
    yield Scenario("a Sequential in a Sequential", "M1", [
        do.embedding("a", 1, 2), do.sequential("s", ["a"]), do.sequential("t", ["s"]), do.parameters("t")])


def loading():
    for source, target in itertools.product(ALL_FLOATS, repeat=2):
        name = f"a {source} state into a {target} module"
        yield Scenario(name, "M2", [
            do.embedding("m", 2, 3, dtype=target),
            do.tensor("new", value(source, [[0.1, 1 / 3, -0.7], [3, 1e-6, 1234.567]])),
            do.load_state_dict("m", {"weight": "new"}), do.show("m.weight")])
    for dtype in ("int64", "int32", "bool"):
        yield Scenario(f"a {dtype} state into a float32 module", "M2", [
            do.embedding("m", 2, 2), do.tensor("new", value(dtype, [[1, 0], [1, 1]])),
            do.load_state_dict("m", {"weight": "new"}),
            do.show("m.weight")])
    for strict, options in itertools.product((True, False), ({}, {"padding_idx": 1}, {"sparse": True, "max_norm": 1.0})):
        yield Scenario(f"loading overwrites every row, strict={strict}{told(options)}", "M2", [
            do.embedding("m", 3, 2, **options), do.tensor("new", counting(3, 2)),
            do.load_state_dict("m", {"weight": "new"}, strict=strict), do.show("m.weight"),
            do.tensor("zero", value("float32", [0, 0])), do.write("new", 0, "zero"), do.show("m.weight")])
    for sparse in (False, True):
        yield Scenario(f"loading keeps the gradient and the optimizer's hold{', sparse' if sparse else ''}", "M2 G30", [
            do.seed(4), do.embedding("m", 3, 3, sparse=sparse), do.sgd("o", ["m.weight"], 0.5), *learn(1, 1),
            do.tensor("new", counting(3, 3)), do.load_state_dict("m", {"weight": "new"}), do.show("m.weight.grad"),
            do.step("o"), do.show("m.weight")])
    yield Scenario("a frozen module loads and stays frozen", "M2 P6", [
        do.tensor("w", counting(2, 2)), do.from_pretrained("m", "w"), do.tensor("new", ones([2, 2])),
        do.load_state_dict("m", {"weight": "new"}), do.show("m.weight")])
    for layout in ("transposed", "strided", "narrowed"):
        yield Scenario(f"a state that lies {layout} in memory", "M2", [
            do.embedding("m", 3, 2), do.tensor("new", counting(3, 2), layout),
            do.load_state_dict("m", {"weight": "new"}),
            do.show("m.weight")])
    yield Scenario("a Sequential loads by dotted keys", "M2", [
        do.embedding("a", 2, 2), do.embedding("b", 1, 2), do.sequential("s", ["a", "b"]),
        do.tensor("u", counting(2, 2)), do.tensor("v", ones([1, 2])),
        do.load_state_dict("s", {"0.weight": "u", "1.weight": "v"}), do.state_dict("s")])
    yield Scenario("not strict: what is missing stays, what is too much is named", "M2", [
        do.tensor("w", counting(2, 2)), do.from_pretrained("m", "w"), do.tensor("new", ones([2, 2])),
        do.load_state_dict("m", {}, strict=False), do.show("m.weight"),
        do.load_state_dict("m", {"weight": "new", "bias": "new"}, strict=False), do.show("m.weight"),
        do.load_state_dict("m", {"other": "new"}, strict=False)])


def saving():
    for dtype in ("float32", "float64", "float16", "bfloat16"):  # TorchSharp loads a file only into the dtype that it was saved with
        name = f"{dtype} saved and loaded"
        yield Scenario(name, "M12 M2", [
            do.tensor("w", ugly(seeded(name), (3, 2), dtype)), do.from_pretrained("m", "w", padding_idx=1),
            do.embedding("n", 3, 2, dtype=dtype), do.save_load("m", "n"), do.show("n.weight"),
            do.show("n.padding_idx"),
            do.show("m.weight")])
    yield Scenario("a Sequential saved and loaded", "M12", [
        do.tensor("w", counting(3, 2)), do.from_pretrained("a", "w"), do.sequential("s", ["a"]),
        do.embedding("b", 3, 2, max_norm=1.0), do.sequential("t", ["b"]), do.save_load("s", "t"), do.state_dict("t")])
    yield Scenario("special values saved and loaded", "M12 F12", [
        do.tensor("w", value("float32", [["-0", "inf", "-inf"], ["nan", "nan:7fc00001", 1e-45]])),
        do.from_pretrained("m", "w"),
        do.embedding("n", 2, 3), do.save_load("m", "n"), do.show("n.weight")])


def converting():
    for source, target in itertools.product(ALL_FLOATS, repeat=2):
        name = f"{source} to {target}"
        yield Scenario(name, "M5", [
            do.tensor("w", ugly(seeded(name), (3, 3), source)), do.from_pretrained("m", "w", freeze=False),
            do.to("m", target),
            do.show("m.weight"), *look_up(2, 0)])
    for target, sparse, padding in itertools.product(("float64", "float16", "bfloat16"), (False, True), (None, 1)):
        options = given({"padding_idx": padding, "sparse": sparse}, "padding_idx", "sparse")
        name = f"the gradient goes to {target} with the weight{told(options)}"
        yield Scenario(name, "M5", [
            do.tensor("w", counting(4, 3)), do.from_pretrained("m", "w", freeze=False, **options), *look_up(1, 2, 1),
            do.tensor("g", ugly(seeded(name), (3, 3))), do.backward("y", "g"), do.to("m", target),
            do.show("m.weight.grad"),
            do.show("m.weight")])
        yield Scenario(f"an optimizer built before to({target}) still trains{told(options)}", "M5", [
            do.tensor("w", counting(4, 3)), do.from_pretrained("m", "w", freeze=False, **options),
            do.sgd("o", ["m.weight"], 0.5),
            do.to("m", target), *learn(1, 2, 1, dtype=target), do.step("o"), do.show("m.weight"),
            do.zero_grad("o"), do.show("m.weight.grad")])
    for freeze in (True, False):
        yield Scenario(f"there and back, {'frozen' if freeze else 'trained'}", "M5", [
            do.tensor("w", ugly(seeded("there and back"), (3, 3), "float64")),
            do.from_pretrained("m", "w", freeze=freeze),
            do.to("m", "float16"), do.show("m.weight"), do.to("m", "float64"), do.show("m.weight"), do.show("w")])
    yield Scenario("a new sparse table has the default dtype; half keeps its sizes", "U3 M5", [
        do.embedding("m", 10, 3, sparse=True), do.show("m.weight.dtype"), do.to("m", "float16"),
        do.show("m.weight.dtype"),
        do.show("m.num_embeddings"), do.show("m.embedding_dim"), do.show("m.sparse"), do.repr("m")])
    yield Scenario("a Sequential converts what is in it", "M5", [
        do.tensor("w", counting(3, 2)), do.from_pretrained("m", "w", freeze=False), do.sequential("s", ["m"]),
        do.sgd("o", ["s.0.weight"], 0.5), do.to("s", "float64"), do.show("m.weight"), *look_up(2, of="s"),
        do.op("sum", ["y"], "t"), do.backward("t"), do.step("o"), do.show("s.0.weight")])


def modes():
    for start, options in itertools.product((True, False), ({}, {"sparse": True}, {"max_norm": 1.0}, {"padding_idx": 0})):
        yield Scenario(f"train and eval only set `training`, {'trained' if start else 'frozen'}{told(options)}", "M6 P6", [
            do.tensor("w", counting(3, 3)), do.from_pretrained("m", "w", freeze=not start, **options),
            do.show("m.training"), do.eval("m"), do.show("m.training"), *look_up(2, 0),
            do.show("m.weight.requires_grad"), do.train("m"), do.show("m.training"), do.forward("m", "i", "z")])
    yield Scenario("a Sequential passes eval on", "M6", [
        do.embedding("m", 3, 3), do.sequential("s", ["m"]), do.eval("s"), do.show("m.training"), do.train("s"),
        do.show("m.training")])
    for of in ("m", "m.weight"):
        yield Scenario(f"requires_grad_ of {'the module' if of == 'm' else 'the weight'}", "M18", [
            do.tensor("w", counting(3, 3)), do.from_pretrained("m", "w", freeze=False), do.requires_grad_(of, False),
            *look_up(1), do.requires_grad_(of, True), *learn(1)])
    for sparse in (False, True):
        for of in ("the module", "the optimizer"):
            yield Scenario(f"zero_grad of {of} drops the gradient{', sparse' if sparse else ''}", "M13", [
                do.tensor("w", counting(3, 3)), do.from_pretrained("m", "w", freeze=False, sparse=sparse),
                do.sgd("o", ["m.weight"], 0.5), *learn(1, 2), do.zero_grad("m" if of == "the module" else "o"),
                do.show("m.weight.grad"), do.step("o"), do.show("m.weight"), *learn(0)])


def hooks():
    table = [do.tensor("w", counting(4, 3)), do.from_pretrained("m", "w", freeze=False)]
    for kinds in (("forward_pre",), ("forward",), ("forward_pre", "forward"), ("forward", "forward"),
                  ("forward_pre", "forward_pre")):
        made = [do.hook("m", kind, f"h{at}") for at, kind in enumerate(kinds)]
        undone = [do.unhook(f"h{at}") for at in range(len(kinds))]
        yield Scenario(f"hooks {', '.join(kinds)}", "M14", [
            *table, *made, *look_up(1), do.forward("m", "i", "z", no_grad=True), *undone, do.forward("m", "i", "u")])
        yield Scenario(f"hooks {', '.join(kinds)}, in a Sequential, with a gradient", "M14", [
            *table, do.sequential("s", ["m"]), *made, *learn(1, 0, of="s"), undone[0], do.forward("s", "i", "z")])


def replaced_weights():
    for rows, columns, sparse, requires_grad in itertools.product((2, 9), (1, 5), (False, True), (True, False)):
        yield Scenario(f"a {rows}x{columns} weight takes the place of 4x3{', sparse' if sparse else ''}"
                       f"{'' if requires_grad else ', frozen'}", "F10 M15", [
            do.embedding("m", 4, 3, sparse=sparse), do.tensor("w", counting(rows, columns)),
            do.set_weight("m", "w", requires_grad=requires_grad),
            do.tensor("i", indices([rows - 1, 0, 0])), do.forward("m", "i", "y"), do.op("sum", ["y"], "s"),
            do.backward("s", raises=not requires_grad), do.show("m.weight.grad"), do.parameters("m"),
            do.show("m.num_embeddings"),
            do.repr("m")])
    for dtype in ALL_FLOATS:
        yield Scenario(f"a {dtype} weight takes the place of float32", "F10 M15", [
            do.embedding("m", 4, 3), do.tensor("w", counting(4, 3, dtype)), do.set_weight("m", "w"),
            *learn(3, 1, dtype=dtype),
            do.tensor("row", value(dtype, [9, 9, 9])), do.write("w", 0, "row"), do.show("m.weight"),
            do.state_dict("m")])
    for padding in (1, -1, -4):
        yield Scenario(f"padding is counted in the weight that is there, padding_idx={padding}", "F9 F10", [
            do.embedding("m", 4, 3, padding_idx=padding), do.tensor("w", counting(9, 3)), do.set_weight("m", "w"),
            *learn(1, 3, 0, 8), do.show("m.padding_idx"), do.show("m.weight")])
    yield Scenario("an optimizer does not follow a replaced weight", "M15 M19", [
        do.tensor("old", counting(4, 3)), do.from_pretrained("m", "old", freeze=False), do.sgd("o", ["m.weight"], 0.5),
        do.tensor("w", ones([4, 3])), do.set_weight("m", "w"), *learn(1), do.step("o"), do.show("m.weight"),
        do.show("old")])


def padding_row_written():
    for sparse, padding in itertools.product((False, True), (2, -1, 0)):
        options = given({"padding_idx": padding, "sparse": sparse}, "padding_idx", "sparse")
        yield Scenario(f"a written padding row is returned and does not learn{told(options)}", "F7 U14 M17", [
            do.tensor("w", counting(4, 3)),
            do.from_pretrained("m", "w", freeze=False, **options),
            do.tensor("row", value("float32", [-9, 8, -7])), do.write("m.weight", padding % 4, "row"),
            do.sgd("o", ["m.weight"], 0.5), *learn(padding % 4, 1), do.step("o"), do.show("m.weight")])


def in_a_model():
    for sparse, padding in itertools.product((False, True), (None, 1)):
        options = given({"padding_idx": padding, "sparse": sparse}, "padding_idx", "sparse")
        yield Scenario(f"in front of a linear layer{told(options)}", "M1 G7", [
            do.tensor("w", counting(4, 3)), do.tensor("v", value("float32", [[1, 2, 0], [0, 1, -1]])),
            do.from_pretrained("m", "w", freeze=False, **options), do.linear("l", 3, 2), do.set_weight("l", "v"),
            do.sequential("s", ["m", "l"]), do.parameters("s"), do.sgd("o", ["s.0.weight", "s.1.weight"], 0.5),
            *look_up(1, 3, 1, of="s"), do.op("sum", ["y"], "t", gives=True), do.backward("t"),
            do.show("s.0.weight.grad"),
            do.show("s.1.weight.grad"), do.step("o"), do.show("s.0.weight"), do.show("s.1.weight")])


def scenarios():
    yield from parameters_and_state()
    yield from loading()
    yield from saving()
    yield from converting()
    yield from modes()
    yield from hooks()
    yield from replaced_weights()
    yield from padding_row_written()
    yield from in_a_model()
