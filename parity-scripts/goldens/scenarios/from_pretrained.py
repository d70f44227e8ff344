"""Embedding.from_pretrained: a module over the caller's own table."""

import itertools

from cases import TABLE_LAYOUTS, distinct, given, pairwise, tensor, told
from steps import Scenario, do
from values import ALL_FLOATS, counting, indices, ones, seeded, ugly, value

ABOUT = "from_pretrained shares the caller's memory both ways, takes its shape and dtype, leaves the tensor itself alone."

INTEGER_TABLES = ("uint8", "int8", "int16", "int32", "int64", "bool")
SHOWN = ("num_embeddings", "embedding_dim", "padding_idx", "max_norm", "norm_type", "scale_grad_by_freq", "sparse",
         "training")


def train_step(index=(1, 1), dtype="float32", columns=3):
    """One step of SGD with a gradient of ones."""
    return [do.sgd("o", ["m.weight"], 0.5), do.tensor("i", indices(list(index))), do.forward("m", "i", "y"),
            do.tensor("g", ones([len(index), columns], dtype)), do.backward("y", "g"), do.step("o")]


def sharing():
    """A write to the source is seen in the module, and the other way round, for all dtypes, layouts and freezing."""
    for case in pairwise(seeded("sharing"), dtype=ALL_FLOATS, layout=TABLE_LAYOUTS, freeze=(True, False),
                         padding_idx=(None, 1, -1), source_learns=(True, False)):
        if case["layout"] == "expanded":
            continue  # PyTorch refuses to write where rows share their memory
        options = given(case, "padding_idx")
        name = (f"{case['dtype']} {case['layout'] or 'row-major'}, {'frozen' if case['freeze'] else 'trained'}"
                f"{', from a source that requires grad' if case['source_learns'] else ''}{told(options)}")
        rng = seeded(name)
        yield Scenario(name, "P3 P4 P6 P7 P8", [
            tensor("w", ugly(rng, (4, 3), case["dtype"], case["source_learns"]), case["layout"]),
            do.from_pretrained("m", "w", freeze=case["freeze"], **options),
            do.show("m.weight"),
            do.tensor("row", ugly(rng, (3,), case["dtype"])), do.tensor("other", ugly(rng, (3,), case["dtype"])),
            do.write("w", 1, "row"), do.show("m.weight"),
            do.write("m.weight", 2, "other"), do.show("w"),
        ])


def stored_options():
    every = {"padding_idx": -2, "max_norm": 1.5, "norm_type": 3.0, "scale_grad_by_freq": True, "sparse": True}
    for options in ({}, {"freeze": False}, {"padding_idx": 0}, {"padding_idx": -1}, {"padding_idx": 3}, {"padding_idx": -4},
                    {"max_norm": 2.5}, {"norm_type": 1.0}, {"max_norm": 0.1, "norm_type": float("inf")},
                    {"scale_grad_by_freq": True}, {"sparse": True}, {"freeze": False, **every}):
        for rows, columns in ((4, 3), (5, 1)):
            yield Scenario(f"{rows}x{columns}{told(options) or ', no options'}", "P1 P2 P6 P8", [
                do.tensor("w", counting(rows, columns)),
                do.from_pretrained("m", "w", **options),
                *(do.show(f"m.{name}") for name in SHOWN),
                do.show("m.weight"),
                do.repr("m"),
            ])


def empty_tables():
    for (rows, columns), freeze in itertools.product(((0, 3), (3, 0), (0, 0)), (True, False)):
        yield Scenario(f"{rows}x{columns}, {'frozen' if freeze else 'trained'}", "P2", [
            do.tensor("w", counting(rows, columns)), do.from_pretrained("m", "w", freeze=freeze),
            do.show("m.num_embeddings"), do.show("m.embedding_dim"), do.show("m.weight")])
    yield Scenario("0x3, padding_idx=0", "P2", [
        do.tensor("w", counting(0, 3)), do.from_pretrained("m", "w", padding_idx=0), do.show("m.padding_idx"), do.show("m.weight")])


def integer_tables():
    for dtype in INTEGER_TABLES:
        numbers = [[1, 0], [0, 1], [1, 1]]
        for padding in (None, 1):
            options = given({"padding_idx": padding}, "padding_idx")
            yield Scenario(f"{dtype} table{told(options)}", "P7 U5 V1", [
                do.tensor("w", value(dtype, numbers)), do.from_pretrained("m", "w", **options), do.show("m.weight"),
                do.tensor("i", indices([0, 1])), do.forward("m", "i", "y"), do.state_dict("m"), do.repr("m"),
            ])
        yield Scenario(f"{dtype} table: no random numbers for it", "X32 P10", [
            do.tensor("w", value(dtype, numbers)), do.from_pretrained("m", "w"), do.reset_parameters("m", raises=True),
            do.show("w")])
        yield Scenario(f"{dtype} table: only floating point tables are converted", "P10 P7", [
            do.tensor("w", value(dtype, numbers)), do.from_pretrained("m", "w"), do.to("m", "float64"),
            do.show("m.weight"),
            do.tensor("row", value(dtype, [0, 0])), do.write("w", 0, "row"), do.show("m.weight"),
        ])
    for dtype in ("float32", "float64"):
        yield Scenario(f"{dtype} table of upstream's check", "U5", [
            do.tensor("w", value(dtype, [[1, 2, 3], [4, 5, 6]])), do.from_pretrained("m", "w"), do.show("m.weight"),
            do.tensor("i", indices([0, 1])), do.forward("m", "i", "y")])


def padding_rows():
    """The padding row keeps the caller's numbers and does not learn."""
    for freeze, padding, sparse in itertools.product((True, False), (0, 2, -1, -3), (False, True)):
        options = {"freeze": freeze, "padding_idx": padding, "sparse": sparse}
        words = f"padding_idx={padding}{', sparse' if sparse else ''}, {'frozen' if freeze else 'trained'}"
        learn = [] if freeze else [do.tensor("g", ones([4, 3])), do.backward("y", "g"), do.show("m.weight.grad")]
        yield Scenario(f"the row is kept, {words}", "P8 U6 F7", [
            do.tensor("w", value("float32", [[7] * 3, [1, 2, 3], [7] * 3, [7, 8, 9]])),
            do.from_pretrained("m", "w", **options),
            do.show("m.weight"), do.show("m.padding_idx"),
            do.tensor("i", indices([0, 1, 2, 3])), do.forward("m", "i", "y"), *learn,
        ])
    for padding in (None, 2, 0):
        options = given({"padding_idx": padding}, "padding_idx")
        yield Scenario(f"module and functional form agree{told(options)}", "U8", [
            do.tensor("a", ugly(seeded("U8"), (5, 3))), do.tensor("i", indices([[1, 2, 4], [4, 3, 2]])),
            do.from_pretrained("m", "a", **options), do.forward("m", "i", "y"),
            do.functional("z", "i", "a", **options)])


def sources():
    """Sources of several kinds, and what each is afterwards."""
    for freeze in (True, False):
        words = "frozen" if freeze else "trained"
        yield Scenario(f"a source that requires grad keeps that, {words}", "P4 P6 U6", [
            do.tensor("w", counting(4, 3, requires_grad=True)), do.from_pretrained("m", "w", freeze=freeze),
            do.show("w.requires_grad"), do.show("m.weight.requires_grad"), do.requires_grad_("m.weight", not freeze),
            do.show("w.requires_grad")])
        yield Scenario(f"a source with a gradient, {words}", "P5 P4", [
            do.tensor("w", counting(4, 3, requires_grad=True)), do.op("sum", ["w"], "s"), do.backward("s"),
            do.from_pretrained("m", "w", freeze=freeze), do.show("m.weight.grad"), do.show("w.grad")])
        yield Scenario(f"another module's weight as the source, {words}", "P5 P3", [
            do.tensor("w", counting(4, 3)), do.from_pretrained("a", "w", freeze=False),
            do.from_pretrained("m", "a.weight", freeze=freeze),
            do.tensor("row", value("float32", [9, 9, 9])), do.write("a.weight", 0, "row"), do.show("m.weight"),
            do.show("a.weight.requires_grad"), do.show("w")])
        yield Scenario(f"a source inside a graph, {words}", "P4", [
            do.tensor("w", counting(4, 3, requires_grad=True)), do.op("clone", ["w"], "c"),
            do.from_pretrained("m", "c", freeze=freeze), do.show("c"), do.show("m.weight"),
            *([] if freeze else [*train_step(), do.show("m.weight.grad"), do.show("w.grad"), do.show("c")])])
        yield Scenario(f"no random number is used, {words}", "P9", [
            do.seed(0), do.tensor("w", counting(4, 5)), do.from_pretrained("m", "w", freeze=freeze, padding_idx=1),
            do.randn([3])])
    yield Scenario("a result of the module as the source of the next", "P4", [
        do.tensor("w", counting(4, 3)), do.from_pretrained("a", "w", freeze=False), do.tensor("i", indices([3, 1])),
        do.forward("a", "i", "y"), do.from_pretrained("m", "y", freeze=False), do.show("m.weight"),
        do.tensor("j", indices([1])), do.forward("m", "j", "z"), do.op("sum", ["z"], "s"), do.backward("s"),
        do.show("m.weight.grad"), do.show("a.weight.grad")])


def training():
    """What training, loading, converting and resetting do to the shared memory."""
    for dtype, sparse in itertools.product(ALL_FLOATS, (False, True)):
        options = given({"sparse": sparse}, "sparse")
        yield Scenario(f"training changes the source, {dtype}{told(options)}", "P3 P6", [
            do.tensor("w", counting(4, 3, dtype)), do.from_pretrained("m", "w", freeze=False, **options),
            *train_step(dtype=dtype), do.show("w"), do.show("m.weight")])
    for start in (True, False):
        steps = [do.tensor("w", counting(4, 3)), do.from_pretrained("m", "w", freeze=start),
                 do.requires_grad_("m.weight", start), do.sgd("o", ["m.weight"], 0.5), do.tensor("i", indices([1])),
                 do.forward("m", "i", "y"),
                 do.op("sum", ["y"], "s"),
                 do.backward("s", raises=not start), do.step("o"), do.show("w"), do.train("m"),
                 do.show("m.weight.requires_grad")]
        yield Scenario("frozen, then thawed" if start else "trained, then frozen", "P6 M18", steps)
    yield Scenario("loading overwrites the source", "P3 M2", [
        do.tensor("w", counting(4, 3)), do.from_pretrained("m", "w", padding_idx=1),
        do.tensor("new", ones([4, 3], "float64")),
        do.load_state_dict("m", {"weight": "new"}), do.show("w"), do.show("m.weight")])
    for dtype in ("float64", "float16", "float32"):
        shared = "keeps" if dtype == "float32" else "ends"
        yield Scenario(f"to({dtype}) {shared} the sharing", "P10 M5", [
            do.tensor("w", counting(4, 3)), do.from_pretrained("m", "w"), do.to("m", dtype), do.show("m.weight"),
            do.tensor("row", value("float32", [9, 9, 9])), do.write("w", 0, "row"), do.show("m.weight"), do.show("w")])
    for default in ("float32", "float64"):
        for dtype in ALL_FLOATS:
            yield Scenario(f"{dtype} stays {dtype} under the default dtype {default}", "P7", [
                do.default_dtype(default), do.tensor("w", counting(2, 2, dtype)), do.from_pretrained("m", "w"),
                do.show("m.weight")])
    for max_norm, freeze in itertools.product((1.0, 0.1), (True, False)):
        yield Scenario(f"max_norm={max_norm} rescales the source, {'frozen' if freeze else 'trained'}", "P3 N3", [
            do.tensor("w", counting(4, 3)), do.from_pretrained("m", "w", freeze=freeze, max_norm=max_norm),
            do.tensor("i", indices([3, 1])), do.forward("m", "i", "y"), do.show("w")])


def scenarios():
    yield from distinct(sharing())
    yield from stored_options()
    yield from empty_tables()
    yield from integer_tables()
    yield from padding_rows()
    yield from sources()
    yield from training()
