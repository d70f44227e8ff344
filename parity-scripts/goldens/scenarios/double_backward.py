"""The gradient of the gradient."""

import itertools
import math

from cases import given, pairwise, shape_text, told
from steps import Scenario, do
from values import counting, indices, seeded, ugly

ABOUT = "A gradient made with create_graph can be differentiated again, dense and sparse."


def squared_loss(**options):
    """A look-up in the table, and the sum of its squares."""
    return [do.from_pretrained("m", "w", freeze=False, **options), do.forward("m", "i", "y", gives=False),
            do.op("square", ["y"], "q"), do.op("sum", ["q"], "loss")]


def again(sparse):
    """A backward pass through the sum of the first gradient's squares."""
    dense = [do.op("to_dense", ["d"], "e")] if sparse else []
    return [*dense, do.op("square", ["e" if sparse else "d"], "r"), do.op("sum", ["r"], "second"), do.backward("second"),
            do.show("m.weight.grad")]


def documented():
    for sparse, options in itertools.product((False, True), ({}, {"padding_idx": 1}, {"padding_idx": 2}, {"padding_idx": 0},
                                                             {"scale_grad_by_freq": True})):
        if sparse and options.get("scale_grad_by_freq"):
            continue
        chosen = {**options, **given({"sparse": sparse}, "sparse")}
        for dtype in ("float32", "float64"):
            yield Scenario(f"indices [1, 1, 2], {dtype}{told(chosen)}", "G24 G25", [
                do.tensor("w", counting(4, 3, dtype)), do.tensor("i", indices([1, 1, 2])),
                *squared_loss(**chosen),
                do.grad("loss", "m.weight", create_graph=True, as_="d"), *again(sparse),
            ])


def combinations():
    for case in pairwise(seeded("double"), dtype=("float32", "float64", "bfloat16"), shape=((), (1,), (4,), (2, 2), (5,)),
                         padding_idx=(None, 0, -1), sparse=(False, True), index=("int64", "int32")):
        if case["sparse"] and case["shape"] == () and case["padding_idx"] is not None:
            continue  # even the first gradient fails (X20)
        options = given(case, "padding_idx", "sparse")
        name = f"{case['dtype']}; {case['index']} {shape_text(case['shape'])}{told(options)}"
        rng = seeded(name)
        numbers = [1, *(rng.randrange(4) for _ in range(math.prod(case["shape"]) - 1))]  # the first is never padded
        yield Scenario(name, "G24 G25", [
            do.tensor("w", ugly(rng, (4, 2), case["dtype"])),
            do.tensor("i", indices(numbers, case["index"], case["shape"])),
            *squared_loss(**options),
            do.grad("loss", "m.weight", create_graph=True, as_="d"), *again(case["sparse"]),
        ])


def by_backward():
    """After backward(create_graph=True) the gradient of the weight has the graph."""
    for options in ({}, {"padding_idx": 1}, {"scale_grad_by_freq": True}):
        yield Scenario(f"backward with create_graph{told(options)}", "G24", [
            do.tensor("w", counting(4, 3)), do.tensor("i", indices([1, 1, 2])),
            *squared_loss(**options),
            do.backward("loss", create_graph=True), do.show("m.weight.grad"),
            do.op("clone", ["m.weight.grad"], "d"), do.zero_grad("m"), *again(False),
        ])
    for options in ({}, {"padding_idx": 1}):
        yield Scenario(f"backward with create_graph, sparse{told(options)}", "G25", [
            do.tensor("w", counting(4, 3)), do.tensor("i", indices([1, 1, 2])),
            *squared_loss(sparse=True, **options),
            do.backward("loss", create_graph=True), do.show("m.weight.grad"),
            do.op("to_dense", ["m.weight.grad"], "d", gives=True), do.zero_grad("m"), *again(False),
        ])


def by_the_given_gradient():
    """The derivative of the gradient by the incoming gradient is a look-up again."""
    for sparse, padding, dtype in itertools.product((False, True), (None, 1), ("float32", "float64")):
        options = given({"padding_idx": padding, "sparse": sparse}, "padding_idx", "sparse")
        name = f"by the incoming gradient, {dtype}{told(options)}"
        rng = seeded(name)
        yield Scenario(name, "G24 G25", [
            do.tensor("w", ugly(rng, (4, 2), dtype)), do.tensor("i", indices([1, 3, 1])),
            do.tensor("g", ugly(rng, (3, 2), dtype, requires_grad=True)),
            do.from_pretrained("m", "w", freeze=False, **options), do.forward("m", "i", "y", gives=False),
            do.grad("y", "m.weight", "g", create_graph=True, as_="d"),
            *([do.op("to_dense", ["d"], "e")] if sparse else []),
            do.op("square", ["e" if sparse else "d"], "r"), do.op("sum", ["r"], "second"), do.backward("second"),
            do.show("g.grad"), do.show("m.weight.grad"),
        ])


def upstream_checks():
    for padding in (None, 3):
        options = given({"padding_idx": padding}, "padding_idx")
        name = f"a 2-D input in float64{told(options)}"
        rng = seeded(name)
        yield Scenario(name, "U9 G24", [
            do.tensor("w", ugly(rng, (12, 2), "float64")), do.tensor("i", indices([[0, 1, 1, 2], [3, 5, 7, 11]])),
            *squared_loss(**options),
            do.grad("loss", "m.weight", create_graph=True, as_="d"), *again(False),
        ])
    yield Scenario("the padding row stays through a second backward", "U14 G24", [
        do.tensor("w", counting(4, 2)), do.tensor("i", indices([0, 0, 1, 3, 0])),
        *squared_loss(padding_idx=0),
        do.grad("loss", "m.weight", create_graph=True, as_="d"), *again(False),
        do.op("add", ["m.weight", "m.weight.grad"], "after", gives=True),
    ])


def nothing_looked_up():
    """Without entries, libtorch refuses the second derivative, or the gradient has no graph."""
    for sparse, padding, index in ((False, None, []), (False, 1, []), (False, 1, [1, 1]), (True, None, []), (True, 1, []),
                                   (True, 1, [1, 1])):
        options = given({"padding_idx": padding, "sparse": sparse}, "padding_idx", "sparse")
        refused = sparse or not index
        steps = [do.tensor("w", counting(4, 2)), do.tensor("i", indices(index)), *squared_loss(**options),
                 do.grad("loss", "m.weight", create_graph=True, as_="d"),
                 *([do.op("to_dense", ["d"], "e")] if sparse else []),
                 do.op("square", ["e" if sparse else "d"], "r"), do.op("sum", ["r"], "second", gives=True),
                 do.backward("second", raises=refused), do.show("m.weight.grad")]
        yield Scenario(f"no entry: indices {index}{told(options)}", "G24 G25 G27", steps)


def linear_losses():
    """A plain sum has no second derivative, so the gradient has no graph."""
    for sparse in (False, True):
        yield Scenario(f"a plain sum, {'sparse' if sparse else 'dense'}", "G25", [
            do.tensor("w", counting(4, 2)), do.tensor("i", indices([1, 1, 2])),
            do.from_pretrained("m", "w", freeze=False, sparse=sparse), do.forward("m", "i", "y"),
            do.op("sum", ["y"], "loss"), do.grad("loss", "m.weight", create_graph=True, as_="d")])
    yield Scenario("a sparse gradient coalesced in between", "G25", [
        do.tensor("w", counting(4, 2)), do.tensor("i", indices([2, 1, 2])),
        *squared_loss(sparse=True),
        do.grad("loss", "m.weight", create_graph=True, as_="d"),
        do.op("coalesce", ["d"], "c", gives=True), do.op("to_dense", ["c"], "e"), do.op("square", ["e"], "r"),
        do.op("sum", ["r"], "second"), do.backward("second"), do.show("m.weight.grad"),
    ])


def scenarios():
    yield from documented()
    yield from combinations()
    yield from by_backward()
    yield from by_the_given_gradient()
    yield from upstream_checks()
    yield from nothing_looked_up()
    yield from linear_losses()
