"""The library's own SGD at its limits: unusual numbers, saved buffers, gradients set by hand, a single number, and what is refused."""

import functools
import itertools

import training
from cases import tensor, told
from steps import Scenario, do
from training import backward, dense, drawn_batches, optimizer, state, stepped, table, trained
from values import ALL_FLOATS, counting, ones, seeded, sparse, ugly, value

ABOUT = "SGD with unusual numbers and gradients, and the errors of SGD, with PyTorch's momentum buffer."

KIND = "own_sgd"
learn = functools.partial(training.learn, KIND)
NAN, INF = float("nan"), float("inf")


def one_number():
    """The sum over one look-up in a table of one column sends back a value of stride 0. PyTorch adds nothing for it, without a word."""
    for dtype, options in itertools.product(ALL_FLOATS, ({}, {"momentum": 0.5}, {"maximize": True})):
        yield Scenario(f"a table of one column, one look-up and its sum, sparse {dtype}{told(options)}", "S18 S21", [
            *table(ones([3, 1], dtype), sparse=True), *learn({"lr": 0.5, **options}, [([1], None)])])
    for dtype, options in itertools.product(("float32", "float64"), ({}, {"momentum": 0.5}, {"momentum": 0.5, "nesterov": True})):
        yield Scenario(f"a table of one column, one look-up, then two, then one, sparse {dtype}{told(options)}", "S18 S21 S23", [
            *table(ones([3, 1], dtype), sparse=True), *learn({"lr": 0.5, **options}, [([1], None), ([1, 2], None), ([2], None)])])


def unusual_numbers():
    """What the constructor accepts."""
    cases = ({"lr": 0.0}, {"lr": -0.0}, {"lr": INF}, {"momentum": 1.5}, {"momentum": 1.0, "nesterov": True}, {"momentum": 1e-320},
             {"momentum": 0.5, "dampening": 3.0}, {"momentum": 0.5, "dampening": -1e10}, {"momentum": 1e30}, {"lr": 2.0**-140},
             {"lr": 2.0**100}, {"dampening": NAN})
    for options, is_sparse in itertools.product(cases, (True, False)):
        yield Scenario(f"{'sparse' if is_sparse else 'dense'}{told(options)}", "S4", [
            *table(counting(3, 2), sparse=is_sparse), *learn({"lr": 0.5, **options}, [([1, 2], ones([2, 2]))] * 3)])
    for options in ({"weight_decay": 1e-320}, {"weight_decay": 1e30}, {"weight_decay": 3.0, "momentum": 2.0}):
        yield Scenario(f"dense{told(options)}", "S4", [
            *table(counting(3, 2)), *learn({"lr": 0.5, **options}, [([1, 2], ones([2, 2]))] * 3)])
    gradients = {"infinite": [["inf", 1], ["-inf", 0]], "huge": [[1e30, -1e19], [3e38, 1e20]],
                 "tiny": [[1e-20, -1e-30], [1e-45, 1e-38]]}
    for (words, rows), is_sparse, options in itertools.product(gradients.items(), (True, False), ({}, {"momentum": 0.5})):
        yield Scenario(f"{'sparse' if is_sparse else 'dense'}: {words} gradients{told(options)}", "S8 S18", [
            *table(counting(3, 2), sparse=is_sparse),
            *learn({"lr": 0.5, **options}, [([0, 2], value("float32", rows)), ([2, 1], ones([2, 2]))])])


def saved():
    """A sparse buffer goes through a file as it is: its duplicates, its order, and that it is not coalesced."""
    for dtype, options in itertools.product(
            ("float32", "float64", "bfloat16"), ({"momentum": 0.9}, {"momentum": 0.5, "nesterov": True, "maximize": True})):
        name = f"sparse {dtype}: a buffer through a file{told(options)}"
        rng = seeded(name)
        yield Scenario(name, "S35 S36 S37", [
            *table(ugly(rng, (4, 3), dtype), sparse=True), *learn({"lr": 0.1, **options}, drawn_batches(rng, 4, 3, (4, 3), dtype)),
            do.own_sgd("p", ["m.weight"], lr=7.0), do.save_load("o", "p"), *state(KIND, "p"),
            *[step for batch in drawn_batches(rng, 4, 3, (3, 2), dtype) for step in (
                do.zero_grad("p"), *backward(*batch), *stepped(KIND, optimizer="p"))]])
    for first in (["a.weight", "b.weight"], ["b.weight", "a.weight"]):
        name = f"two tables, of which the {'second' if first[0][0] == 'a' else 'first'} was never stepped"
        rng = seeded(name)
        yield Scenario(name, "S35", [
            *table(ugly(rng, (4, 2)), "a", sparse=True), *table(ugly(rng, (3, 5)), "b", sparse=True),
            do.own_sgd("o", first, lr=0.1, momentum=0.9), *backward(*drawn_batches(rng, 4, 2, (3,))[0], "a"),
            *stepped(KIND, "a.weight", "b.weight"), do.own_sgd("p", first), do.save_load("o", "p"),
            *state(KIND, "p", "a.weight"), *state(KIND, "p", "b.weight"), do.zero_grad("p"),
            *backward(*drawn_batches(rng, 3, 5, (2,))[0], "b"), *stepped(KIND, "a.weight", "b.weight", optimizer="p")])


def saved_in_another_order():
    """A buffer in column order goes through a file as it is. What libtorch adds to it later may have other rounding errors."""
    for dtype, is_sparse, options in itertools.product(
            ("float32", "bfloat16", "float16"), (True, False), ({"momentum": 0.9}, {"momentum": 0.5, "nesterov": True})):
        if is_sparse and dtype != "float32":
            continue  # PyTorch cannot add such sparse tensors
        name = f"{'sparse' if is_sparse else 'dense'} {dtype}: a buffer in column order through a file{told(options)}"
        rng = seeded(name)
        first, *rest = drawn_batches(rng, 5, 8, (4, 4, 3), dtype)
        yield Scenario(name, "S35 S36 S37", [
            *table(ugly(rng, (5, 8), dtype), layout=None if is_sparse else "transposed", sparse=is_sparse),
            optimizer(KIND, {"lr": 0.1, **options}), *backward(first[0], first[1], layout="transposed"), *stepped(KIND),
            do.own_sgd("p", ["m.weight"], lr=7.0), do.save_load("o", "p"), *state(KIND, "p"),
            *[step for batch in rest for step in (
                do.zero_grad("p"), *backward(*batch), *stepped(KIND, optimizer="p"))]])


def given_gradients():
    """Gradients that were set by hand."""
    places = value("int64", [[0, 0, 1, 3, 3], [0, 1, 1, 0, 1]])
    for coalesced, options in itertools.product((True, False), ({}, {"momentum": 0.5})):
        name = f"a sparse gradient of single numbers{', coalesced' if coalesced else ''}{told(options)}"
        rng = seeded(name)
        yield Scenario(name, "S18 S22", [
            *table(ugly(rng, (4, 2))), optimizer(KIND, {"lr": 0.8154402615622098, **options}),
            do.tensor("g", sparse(places, ugly(rng, (5,)), [4, 2], coalesced)), do.set_grad("m.weight", "g"), *stepped(KIND),
            *stepped(KIND)])
    for dtype, momentum in itertools.product(ALL_FLOATS, (0.9, 0.3)):
        options = {"lr": 0.1, "momentum": momentum, "nesterov": True}
        name = f"dense {dtype}: a gradient with gaps between its elements{told(options)}"
        rng = seeded(name)
        yield Scenario(name, "S8 S15", [
            *table(ugly(rng, (4, 8), dtype)), optimizer(KIND, options),
            *[step for _ in range(3) for step in (
                tensor("g", ugly(rng, (4, 8), dtype), "strided"), do.set_grad("m.weight", "g"), *stepped(KIND))]])
    yield Scenario("a learning rate that float32 does not hold, sparse", "S4 S18", [
        *table(ones([3, 2]), sparse=True), optimizer(KIND, {"lr": 1e39}), *backward([1], ones([1, 2])), do.step("o", raises=True),
        do.show("m.weight")])
    rng = seeded("given")
    values, index = ugly(rng, (3, 2)), value("int64", [[2, 0, 2]])
    for options, coalesced in itertools.product(({}, {"momentum": 0.5}), (False, True)):
        entries = (value("int64", [[0, 2]]), ugly(rng, (2, 2))) if coalesced else (index, values)
        yield Scenario(f"a sparse gradient set by hand{', coalesced' if coalesced else ''}{told(options)}", "S18 S22", [
            *table(ugly(seeded("hand"), (4, 2))), optimizer(KIND, {"lr": 0.5, **options}),
            do.tensor("g", sparse(*entries, [4, 2], coalesced)), do.set_grad("m.weight", "g"), *stepped(KIND), *stepped(KIND),
            do.show("m.weight.grad")])
    yield Scenario("a frozen table is stepped if it has a gradient", "S6", [
        *table(counting(3, 2)), do.requires_grad_("m.weight", False), optimizer(KIND, {"lr": 0.5}),
        do.tensor("g", ones([3, 2])), do.set_grad("m.weight", "g"), *stepped(KIND)])
    yield Scenario("a table of integers", "S6", [
        do.tensor("w", counting(3, 2, "int64")), do.from_pretrained("m", "w"), optimizer(KIND, {"lr": 0.5}), do.step("o"),
        do.tensor("g", ones([3, 2], "int64")), do.set_grad("m.weight", "g"), do.step("o", raises=True), do.show("m.weight")])


BAD = {"S2 S3 X61": ("lr", (-0.1, -1.0, -1e-7, -1e22, -INF)), "S2 S3 X62": ("momentum", (-1.0, -0.5, -1e-320, -INF)),
       "S2 S3 X63": ("weight_decay", (-1e-5, -2.0, -INF))}
BAD_TOGETHER = ({"lr": -1.0, "momentum": -1.0}, {"momentum": -1.0, "weight_decay": -1.0}, {"weight_decay": -1.0, "nesterov": True},
                {"momentum": -1.0, "nesterov": True})


def refused_options():
    module = table(counting(2, 2), sparse=True)
    for proves, (option, numbers) in BAD.items():
        for number in numbers:
            yield Scenario(f"{option}={number}", proves, [
                *module, do.own_sgd("o", ["m.weight"], **{option: number}, raises=True), do.show("m.weight")])
    for options in BAD_TOGETHER:
        yield Scenario(f"several are wrong:{told(options)[1:]}", "S2", [
            *module, do.own_sgd("o", ["m.weight"], **options, raises=True)])
    for options in ({}, {"momentum": 0.0}, {"momentum": 0.9, "dampening": 0.1}, {"momentum": 0.9, "dampening": -0.1},
                    {"dampening": 0.5}, {"momentum": 0.9, "dampening": NAN}):
        yield Scenario(f"refused: nesterov{told(options)}", "S2", [
            *module, do.own_sgd("o", ["m.weight"], **options, nesterov=True, raises=True)])
    yield Scenario("options are checked before parameters", "S2", [do.own_sgd("o", [], lr=-1.0, raises=True)])
    yield Scenario("options are checked also where each group has its own", "S2 S32", [
        *module, do.own_sgd("o", groups=[{"parameters": ["m.weight"], "lr": 0.5}], lr=-1.0, raises=True)])
    for options in ({"lr": -0.5}, {"momentum": -0.5}, {"nesterov": True}, {"momentum": 0.5, "nesterov": True, "dampening": 0.5}):
        rng = seeded("unchecked", *options)
        yield Scenario(f"the options of a group are not checked:{told(options)[1:]}", "S32", [
            *table(ugly(rng, (4, 2)), sparse=True), do.own_sgd("o", groups=[{"parameters": ["m.weight"], **options}]),
            *trained(KIND, drawn_batches(rng, 4, 2, (3, 2)))])


def refused_gradients():
    """After these errors PyTorch has scaled a buffer or moved other tables, and .NET has not, so only what both leave alone is shown."""
    for options, index in itertools.product(({"weight_decay": 0.1}, {"weight_decay": 1e-320, "lr": 0.0},
                                             {"weight_decay": -0.5, "momentum": 0.5}, {"weight_decay": 0.1, "maximize": True}),
                                            ([1, 2, 1], [])):
        yield Scenario(f"weight decay and a sparse gradient, idx {index}{told(options)}", "S17 X60", [
            *table(counting(4, 2), sparse=True), do.own_sgd("o", groups=[{"parameters": ["m.weight"], **options}]),
            *backward(index), do.step("o", raises=True), do.show("m.weight"), do.show("m.weight.grad"), *state(KIND)])
    yield Scenario("weight decay, and a dense and a sparse gradient", "S17 S34", [
        *table(counting(4, 3), "a"), *table(counting(4, 3), "b", sparse=True),
        do.own_sgd("o", ["a.weight", "b.weight"], weight_decay=0.5), *backward([1], module="a"), *backward([1], module="b"),
        do.step("o", raises=True), do.show("b.weight")])
    rng = seeded("refused")
    first, second = drawn_batches(rng, 4, 2, (3, 4))
    for options in ({"momentum": 0.9}, {"momentum": 0.5, "dampening": 0.5}, {"momentum": 0.9, "nesterov": True}):
        yield Scenario(f"a dense gradient after a sparse buffer{told(options)}", "S28 X60", [
            *table(ugly(seeded("w"), (4, 2)), sparse=True), *learn({"lr": 0.1, **options}, [first]), *dense(*second),
            do.step("o", raises=True), do.show("m.weight")])
    yield Scenario("a sparse gradient after a dense buffer, with nesterov", "S28 X60", [
        *table(ugly(seeded("w"), (4, 2)), sparse=True), optimizer(KIND, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
        *dense(*first), *stepped(KIND), do.zero_grad("o"), *backward(*second), do.step("o", raises=True), do.show("m.weight")])
    for options in ({"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}):
        batches = drawn_batches(seeded("half"), 4, 2, (3, 4), "float16")
        yield Scenario(f"two sparse float16 tensors are not added{told(options)}", "S16", [
            *table(counting(4, 2, "float16"), sparse=True), optimizer(KIND, {"lr": 0.1, **options}), *backward(*batches[0]),
            do.step("o", **({"raises": True} if "nesterov" in options else {})), do.show("m.weight"),
            *([] if "nesterov" in options else [
                do.zero_grad("o"), *backward(*batches[1]), do.step("o", raises=True), do.show("m.weight")])])


def scenarios():
    yield from one_number()
    yield from unusual_numbers()
    yield from saved()
    yield from saved_in_another_order()
    yield from given_gradients()
    yield from refused_options()
    yield from refused_gradients()
