"""What the optimizers have in common: several parameters, groups, saved state, schedules, and what is refused."""

import itertools

from cases import told
from steps import Scenario, do
from training import KEPT, backward, drawn_batches, optimizer, state, stepped, table, trained
from values import counting, indices, ones, seeded, ugly

ABOUT = "Optimizers update each parameter that has a gradient by its group's options; state can be saved; bad options raise."

NAN, INF = float("nan"), float("inf")
# Adagrad's rates are powers of two here; adagrad.py says why. SGD with momentum has a state.
USUAL = {"sgd": {"lr": 0.1, "momentum": 0.9}, "own_sgd": {"lr": 0.1, "momentum": 0.9}, "sparse_adam": {"lr": 0.1},
         "adagrad": {"lr": 0.5}}
OTHER = {"sgd": {"lr": 0.3, "momentum": 0.5}, "own_sgd": {"lr": 0.3, "momentum": 0.5, "dampening": 0.25},
         "sparse_adam": {"lr": 0.02, "beta1": 0.5, "beta2": 0.9, "eps": 0.001},
         "adagrad": {"lr": 0.125, "lr_decay": 1.0, "initial_accumulator_value": 0.25, "eps": 0.001}}


def two_tables(rng, **options):
    return [*table(ugly(rng, (4, 2)), "a", **options), *table(ugly(rng, (3, 5)), "b", **options)]


def both_learn(rng, kind, sizes=(3, 2), weights=("a.weight", "b.weight")):
    """A look-up in each table, except where the size is 0, and one step."""
    steps = [do.zero_grad("o")]
    for (module, rows, columns), size in zip((("a", 4, 2), ("b", 3, 5)), sizes):
        if size:
            steps += backward(*drawn_batches(rng, rows, columns, (size,))[0], module)
    return [*steps, *stepped(kind, *weights)]


def several_parameters():
    for kind, sparse in itertools.product(KEPT, (True, False)):
        if kind == "sparse_adam" and not sparse:
            continue
        words = f"{kind}, {'sparse' if sparse else 'dense'}"
        for about, sizes in (("both in every step", ((3, 2), (1, 4), (2, 2))), ("in turn", ((3, 0), (0, 2), (2, 3))),
                             ("the second one late", ((3, 0), (2, 0), (1, 3)))):
            name = f"{words}: two tables, {about}"
            rng = seeded(name)
            yield Scenario(name, "O4 O22", [
                *two_tables(rng, sparse=sparse), optimizer(kind, USUAL[kind], ("a.weight", "b.weight")),
                *[step for pair in sizes for step in both_learn(rng, kind, pair)]])
        name = f"{words}: a frozen table is skipped until it is unfrozen"
        rng = seeded(name)
        yield Scenario(name, "O4 O33 P6", [
            *two_tables(rng, sparse=sparse), do.requires_grad_("b.weight", False),
            optimizer(kind, USUAL[kind], ("a.weight", "b.weight")),
            *both_learn(rng, kind, (3, 0)), *both_learn(rng, kind, (2, 0)),
            do.requires_grad_("b.weight", True), *both_learn(rng, kind, (2, 3))])
    for kind in ("sgd", "own_sgd", "adagrad"):
        name = f"{kind}: one sparse table and one dense table"
        rng = seeded(name)
        yield Scenario(name, "O4", [
            *table(ugly(rng, (4, 2)), "a", sparse=True), *table(ugly(rng, (3, 5)), "b"),
            optimizer(kind, USUAL[kind], ("a.weight", "b.weight")),
            *[step for _ in range(3) for step in both_learn(rng, kind)]])


def groups():
    own = {"sgd": ({"lr": 0.3}, {"momentum": 0.5}, {"momentum": 0.5, "nesterov": True}, {"lr": 0.0}),
           "own_sgd": ({"lr": 0.3}, {"momentum": 0.0}, {"nesterov": True}, {"maximize": True}, {"dampening": 0.5}),
           "sparse_adam": ({"lr": 0.3}, {"beta1": 0.5}, {"beta2": 0.5}, {"beta1": 0.0, "beta2": 0.0}, {"eps": 0.25},
                           {"maximize": True}),
           "adagrad": ({"lr": 0.125}, {"eps": 0.25}, {"maximize": True}, {"lr": 0.25, "lr_decay": 1.0},
                       {"initial_accumulator_value": 9.0})}
    for kind in KEPT:
        for options, first in itertools.product(own[kind], (True, False)):
            given = [{"parameters": ["a.weight"]}, {"parameters": ["b.weight"]}]
            given[0 if first else 1].update(options)
            name = f"{kind}: {'the first' if first else 'the second'} of two groups has{told(options)[1:]}"
            rng = seeded(name)
            yield Scenario(name, "O3 O33", [
                *two_tables(rng, sparse=True), getattr(do, kind)("o", groups=given, **USUAL[kind]),
                *both_learn(rng, kind), *both_learn(rng, kind)])
    name = "adagrad, dense: weight decay in one group"
    rng = seeded(name)
    yield Scenario(name, "O3 O31", [
        *two_tables(rng), do.adagrad("o", lr=0.1, groups=[
            {"parameters": ["a.weight"]}, {"parameters": ["b.weight"], "weight_decay": 0.5, "lr_decay": 0.3}]),
        *[step for _ in range(3) for step in both_learn(rng, "adagrad")]])
    for kind, options in (("sparse_adam", {"lr": -0.5, "beta1": 7.0, "beta2": 0.5}), ("sparse_adam", {"eps": -0.25}),
                          ("adagrad", {"lr": -0.5, "eps": -0.25})):
        name = f"{kind}: the options of a group are not checked:{told(options)[1:]}"
        rng = seeded(name)
        yield Scenario(name, "O3", [
            *two_tables(rng, sparse=True),
            getattr(do, kind)("o", groups=[{"parameters": ["a.weight"], **options}, {"parameters": ["b.weight"]}]),
            *both_learn(rng, kind)])

    for kind in ("own_sgd", "sparse_adam", "adagrad"):
        given = {"a group without parameters": [{"parameters": []}, {"parameters": ["a.weight", "b.weight"]}],
                 "one parameter twice in a group": [{"parameters": ["a.weight", "b.weight", "a.weight"]}]}
        for about, these in given.items():
            name = f"{kind}: {about}"
            rng = seeded(name)
            yield Scenario(name, "O3", [
                *two_tables(rng, sparse=True), getattr(do, kind)("o", groups=these, **USUAL[kind]),
                *both_learn(rng, kind), *both_learn(rng, kind)])


def schedules():
    """Sets the rate between the steps, as a scheduler does."""
    usual = (0.1, 0.07, 0.0, 1.5)
    rates = {"sgd": usual, "own_sgd": usual, "sparse_adam": usual, "adagrad": (0.5, 0.25, 0.0, 2.0)}
    for kind, dtype in itertools.product(KEPT, ("float32", "float64")):
        name = f"{kind}: the rates {rates[kind]}, {dtype}"
        rng = seeded(name)
        steps = [*table(ugly(rng, (4, 3), dtype), sparse=True), optimizer(kind, USUAL[kind])]
        for rate, batch in zip(rates[kind], drawn_batches(rng, 4, 3, (3,) * 4, dtype)):
            steps += [do.set_lr("o", rate), *trained(kind, [batch])]
        yield Scenario(name, "O19 O30 O10", steps)
    for kind in KEPT:
        name = f"{kind}: the rate is set for every group"
        rng = seeded(name)
        yield Scenario(name, "O3", [
            *two_tables(rng, sparse=True),
            getattr(do, kind)("o", **USUAL[kind],
                              groups=[{"parameters": ["a.weight"], "lr": 2.0}, {"parameters": ["b.weight"]}]),
            *both_learn(rng, kind), do.set_lr("o", 0.25), *both_learn(rng, kind)])


def saved_state():
    """The state goes through a file into a new optimizer, which then does what the first would have done. The saved options win."""
    for kind, sparse, dtype in itertools.product(KEPT, (True, False), ("float32", "float64")):
        if kind == ("sgd" if sparse else "sparse_adam"):
            continue  # SparseAdam takes no dense gradients, and TorchSharp's SGD does not save a sparse buffer
        for options in (USUAL[kind], OTHER[kind]):
            fresh = OTHER[kind] if options is USUAL[kind] else USUAL[kind]
            if kind == "adagrad" and sparse:
                options = {**options, "lr_decay": 0.0}
            name = f"{kind}, {'sparse' if sparse else 'dense'} {dtype}: saved after two steps{told(options)}"
            rng = seeded(name)
            yield Scenario(name, "O5 O6", [
                *table(ugly(rng, (4, 3), dtype), sparse=sparse), optimizer(kind, options),
                *trained(kind, drawn_batches(rng, 4, 3, (4, 2), dtype)),
                do.embedding("n", 4, 3, sparse=sparse, dtype=dtype), do.save_load("m", "n"),
                getattr(do, kind)("p", ["n.weight"], **fresh), do.save_load("o", "p"), *state(kind, "p", "n.weight"),
                *in_both(kind, drawn_batches(rng, 4, 3, (3, 2), dtype))])
    for kind in ("own_sgd", "sparse_adam", "adagrad"):
        name = f"{kind}: the state of a float32 table for a float64 one"
        rng = seeded(name)
        yield Scenario(name, "O5", [
            *table(ugly(rng, (4, 3)), sparse=True), optimizer(kind, USUAL[kind]),
            *trained(kind, drawn_batches(rng, 4, 3, (4, 2))),
            *table(ugly(rng, (4, 3), "float64"), "n", sparse=True), getattr(do, kind)("p", ["n.weight"], **OTHER[kind]),
            do.save_load("o", "p"), *state(kind, "p", "n.weight"),
            do.zero_grad("p"), *backward(*drawn_batches(rng, 4, 3, (3,), "float64")[0], "n"),
            *stepped(kind, "n.weight", optimizer="p")])
        name = f"{kind}: a state from before the first step takes the place of another"
        rng = seeded(name)
        yield Scenario(name, "O5 O24 O33", [
            *table(ugly(rng, (4, 3)), sparse=True), optimizer(kind, USUAL[kind]),
            getattr(do, kind)("p", ["m.weight"], **OTHER[kind]), *trained(kind, drawn_batches(rng, 4, 3, (4, 2))),
            do.save_load("p", "o"), *state(kind), *trained(kind, drawn_batches(rng, 4, 3, (3,)))])
        name = f"{kind}: two groups, one of them without steps so far"
        rng = seeded(name)
        own = {"momentum": 0.5} if kind == "own_sgd" else {"eps": 0.5}
        saved = [{"parameters": ["a.weight"], "lr": 0.25}, {"parameters": ["b.weight"], **own}]
        fresh = [{"parameters": ["a.weight"]}, {"parameters": ["b.weight"], "lr": 2.0}]
        yield Scenario(name, "O5 O3", [
            *two_tables(rng, sparse=True),
            getattr(do, kind)("o", groups=saved), *both_learn(rng, kind, (3, 0)),
            getattr(do, kind)("p", groups=fresh, **OTHER[kind]), do.save_load("o", "p"),
            *state(kind, "p", "a.weight"), *state(kind, "p", "b.weight"),
            do.zero_grad("p"), *backward(*drawn_batches(rng, 4, 2, (3,))[0], "a"),
            do.step("p"), do.show("a.weight"), *state(kind, "p", "a.weight")])


def in_both(kind, batches):
    """Each batch trains the first table and its copy, each with an optimizer of its own."""
    return [step for batch in batches for step in (
        do.zero_grad("o"), *backward(*batch), *stepped(kind),
        do.zero_grad("p"), *backward(*batch, "n"), *stepped(kind, "n.weight", optimizer="p"))]


def with_the_layer():
    """Training together with what the layer itself does to its table."""
    for kind in KEPT:
        name = f"{kind}: max_norm between the steps"
        rng = seeded(name)
        yield Scenario(name, "N18 N16", [
            *table(ugly(rng, (4, 2)), sparse=True, max_norm=1.0), optimizer(kind, USUAL[kind]),
            *trained(kind, drawn_batches(rng, 4, 2, (3, 2, 3)))])
        name = f"{kind}: two look-ups in one loss"
        rng = seeded(name)
        twice = [do.zero_grad("o"), do.forward("m", "i", "y", gives=False), do.forward("m", "j", "z", gives=False),
                 do.op("mul", ["y", "z"], "p"), do.op("sum", ["p"], "s"), do.backward("s"), *stepped(kind)]
        yield Scenario(name, "G19 O23", [
            *table(ugly(rng, (4, 2)), sparse=True), optimizer(kind, USUAL[kind]),
            do.tensor("i", indices([1, 3, 1])), do.tensor("j", indices([3, 0, 2])), *twice, *twice])
        name = f"{kind}: the table is overwritten between steps, and the state is not"
        rng = seeded(name)
        first, second = ([batch] for batch in drawn_batches(rng, 4, 2, (4, 4)))
        yield Scenario(name, "M2 O5", [
            *table(ugly(rng, (4, 2)), sparse=True), optimizer(kind, USUAL[kind]), *trained(kind, first),
            do.tensor("v", counting(4, 2)), do.load_state_dict("m", {"weight": "v"}), *trained(kind, second)])
        name = f"{kind}: gradients dropped by the module"
        rng = seeded(name)
        yield Scenario(name, "M13 O4", [
            *table(ugly(rng, (4, 2)), sparse=True), optimizer(kind, USUAL[kind]),
            *trained(kind, drawn_batches(rng, 4, 2, (3,))), do.zero_grad("m"), *stepped(kind)])
    for kind in ("sgd", "own_sgd", "adagrad"):
        name = f"{kind}: scale_grad_by_freq"
        rng = seeded(name)
        yield Scenario(name, "G5 O31", [
            *table(ugly(rng, (4, 2)), scale_grad_by_freq=True), optimizer(kind, USUAL[kind]),
            *trained(kind, drawn_batches(rng, 4, 2, (5, 3)))])
        yield Scenario(f"{kind}: a projection on the same weight", "M16 O31", [
            *table(counting(4, 3), sparse=True), do.linear("l", 3, 4), do.set_weight("l", "m.weight"),
            optimizer(kind, USUAL[kind]), do.tensor("i", indices([1, 3])),
            *[step for _ in range(2) for step in (
                do.zero_grad("o"), do.forward("m", "i", "y", gives=False), do.forward("l", "y", "z", gives=False),
                do.op("sum", ["z"], "s"), do.backward("s"), *stepped(kind))],
            do.show("l.weight")])


BAD_OPTIONS = {
    "sparse_adam": (
        ("X61", "lr", (0.0, -1.0, -0.1, -1e-7, -1e16, -INF, NAN)), ("X70", "eps", (0.0, -1.0, -1e-8, NAN)),
        ("X71", "beta1", (1.0, -0.1, 1.5, INF, NAN)), ("X72", "beta2", (1.0, -1e-300, 2.0, NAN))),
    "adagrad": (
        ("X61", "lr", (-1.0, -0.01, -1e-320, -INF, NAN)), ("X76", "lr_decay", (-1.0, -0.5, NAN)),
        ("X63", "weight_decay", (-1.0, -1e22, NAN)), ("X77", "initial_accumulator_value", (-1.0, -2.5, NAN)),
        ("X70", "eps", (-1.0, -1e-10, NAN))),
}
# If two options are bad, PyTorch names the one that it checks first.
BAD_PAIRS = {
    "sparse_adam": ({"lr": -1.0, "eps": -1.0}, {"eps": 0.0, "beta1": 1.0}, {"beta1": 1.0, "beta2": 1.0},
                    {"beta2": 1.0, "lr": 0.0}),
    "adagrad": ({"lr": -1.0, "lr_decay": -1.0}, {"lr_decay": -1.0, "weight_decay": -2.0},
                {"weight_decay": -2.0, "initial_accumulator_value": -3.0}, {"initial_accumulator_value": -3.0, "eps": -4.0}),
}


def refused_options():
    module = table(counting(2, 2), sparse=True)
    for kind, rows in BAD_OPTIONS.items():
        for proves, option, numbers in rows:
            for number in numbers:
                yield Scenario(f"{kind}: {option}={number}", f"{proves} O28 O35", [
                    *module, getattr(do, kind)("o", ["m.weight"], **{option: number}, raises=True), do.show("m.weight")])
    for kind, pairs in BAD_PAIRS.items():
        for options in pairs:
            yield Scenario(f"{kind}:{told(options)[1:]}", "O28 O35", [
                *module, getattr(do, kind)("o", ["m.weight"], **options, raises=True)])
        yield Scenario(f"{kind}: options are checked before parameters", "O28 O35 X61", [
            *module, getattr(do, kind)("o", [], lr=-1.0, raises=True)])
        yield Scenario(f"{kind}: options are checked also where each group has its own", "O3 X61", [
            *module, getattr(do, kind)("o", groups=[{"parameters": ["m.weight"], "lr": 0.5}], lr=-1.0, raises=True)])


def refused_parameters():
    for kind in ("own_sgd", "sparse_adam", "adagrad"):
        make = getattr(do, kind)
        yield Scenario(f"{kind}: no parameters", "X51 O2", [make("o", [], raises=True)])
        yield Scenario(f"{kind}: no groups", "X51 O2", [make("o", groups=[], raises=True)])
        yield Scenario(f"{kind}: the result of an operation", "X54 O2", [
            *table(counting(2, 2), sparse=True), do.op("square", ["m.weight"], "q"), make("o", ["q"], raises=True),
            make("p", ["m.weight"]), *backward([1]), *stepped(kind, optimizer="p")])
        yield Scenario(f"{kind}: one parameter in two groups", "X55 O2", [
            *two_tables(seeded(kind), sparse=True),
            make("o", groups=[{"parameters": ["a.weight"]}, {"parameters": ["b.weight", "a.weight"]}], raises=True),
            make("p", groups=[{"parameters": ["a.weight"]}, {"parameters": ["b.weight"]}])])
    yield Scenario("sparse_adam: a sparse parameter", "X73 O28", [
        *table(counting(3, 2), sparse=True), *backward([1, 1]), do.embedding("n", 3, 2), do.set_weight("n", "m.weight.grad"),
        do.sparse_adam("o", ["m.weight", "n.weight"], raises=True),
        do.sparse_adam("o", groups=[{"parameters": ["m.weight"]}, {"parameters": ["n.weight"]}], raises=True)])


def refused_gradients():
    """After these errors PyTorch has counted a step or stepped earlier groups, and .NET has not, so the state is not shown."""
    for index in ([1], [1, 2, 1], []):
        yield Scenario(f"sparse_adam: a dense gradient, idx {index}", "X68 O27", [
            *table(counting(4, 3)), optimizer("sparse_adam", {"lr": 0.1}), *backward(index),
            do.step("o", raises=True), do.show("m.weight"), do.show("m.weight.grad")])
    yield Scenario("sparse_adam: a sparse and a dense gradient", "X68 O27", [
        *table(counting(4, 3), "a", sparse=True), *table(counting(4, 3), "b"),
        do.sparse_adam("o", ["a.weight", "b.weight"]), *backward([1], module="a"), *backward([1], module="b"),
        do.step("o", raises=True), do.show("a.weight"), do.show("b.weight")])
    yield Scenario("sparse_adam: a dense gradient, and then a sparse one", "X68 O27", [
        *table(counting(4, 3), sparse=True), do.sparse_adam("o", ["m.weight"]),
        do.tensor("g", ones([4, 3])), do.set_grad("m.weight", "g"), do.step("o", raises=True), do.show("m.weight"),
        do.set_grad("m.weight", None), *backward([2, 1]), *stepped("sparse_adam")])
    for options in ({"weight_decay": 0.5}, {"weight_decay": 1e-300, "lr": 0.0, "maximize": True}):
        yield Scenario(f"adagrad: a sparse gradient{told(options)}", "X75 O30", [
            *table(counting(4, 3), sparse=True), optimizer("adagrad", options), *backward([1, 2, 1]),
            do.step("o", raises=True), do.show("m.weight"), do.show("o.state.m.weight.sum")])


def scenarios():
    yield from several_parameters()
    yield from groups()
    yield from schedules()
    yield from saved_state()
    yield from with_the_layer()
    yield from refused_options()
    yield from refused_parameters()
    yield from refused_gradients()
