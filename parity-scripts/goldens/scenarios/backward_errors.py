"""Backward passes that PyTorch refuses: when, and in which words."""

import itertools

from cases import given, told
from steps import Scenario, do
from values import counting, indices, ones

ABOUT = "A backward pass that cannot be computed raises what PyTorch raises, and the gradients are as PyTorch leaves them."

CHANGED = "one of the variables needed for gradient computation has been modified by an inplace operation"
OWN_TYPE_NAMES = "libtorch names tensor types in another way than Python"


def looked_up(index, **options):
    return [do.tensor("w", counting(4, 3)), do.tensor("i", indices(index)),
            do.from_pretrained("m", "w", **{"freeze": False, **options}), do.forward("m", "i", "y")]


def without_a_graph():
    for options in ({}, {"sparse": True}, {"padding_idx": 1}, {"max_norm": 1.0}):
        yield Scenario(f"backward from a frozen table{told(options)}", "X25 G26", [
            *looked_up([1, 2], **options, freeze=True), do.op("sum", ["y"], "s", gives=True),
            do.backward("s", raises=True),
            do.show("m.weight.grad")])
        yield Scenario(f"autograd.grad of a frozen table{told(options)}", "X25 G26", [
            *looked_up([1, 2], **options, freeze=True), do.op("sum", ["y"], "s"),
            do.grad("s", "m.weight", as_="d", raises=True)])
    for mode in ("no_grad", "inference_mode"):
        yield Scenario(f"backward from a look-up under {mode}", "X25 F13", [
            *looked_up([1, 2])[:3], do.forward("m", "i", "y", **{mode: True}), do.op("sum", ["y"], "s"),
            do.backward("s", raises=True),
            do.show("m.weight.grad")])
    yield Scenario("backward from a detached result", "X25", [
        *looked_up([1, 2]), do.op("detach", ["y"], "d", gives=True), do.op("sum", ["d"], "s"),
        do.backward("s", raises=True)])


def wrong_use():
    for sparse, padding in itertools.product((False, True), (None, 1)):
        options = given({"padding_idx": padding, "sparse": sparse}, "padding_idx", "sparse")
        yield Scenario(f"backward twice{told(options)}", "X79", [
            *looked_up([1, 2, 1], **options), do.op("sum", ["y"], "s"), do.backward("s"), do.backward("s", raises=True),
            do.show("m.weight.grad")])
        yield Scenario(f"backward twice with retain_graph{told(options)}", "X79 G16 G17", [
            *looked_up([1, 2, 1], **options), do.op("sum", ["y"], "s"), do.backward("s", retain_graph=True),
            do.backward("s"),
            do.show("m.weight.grad")])
        yield Scenario(f"backward from more than one number{told(options)}", "X79", [
            *looked_up([1, 2], **options), do.backward("y", raises=True), do.show("m.weight.grad"),
            do.tensor("g", ones([2, 3])), do.backward("y", "g"), do.show("m.weight.grad")])
        yield Scenario(f"the indices change between look-up and backward{told(options)}", "X23 G23", [
            *looked_up([1, 2], **options), do.tensor("j", indices([0, 3])), do.write("i", value="j"),
            do.op("sum", ["y"], "s"), do.backward("s", raises=True, text=CHANGED, because=OWN_TYPE_NAMES),
            do.show("m.weight.grad"), do.forward("m", "i", "z")])
    # [3, 2, 3] is missing: libtorch itself sums such a gradient down, and only Python checks the shape.
    for shape in ((3,), (2, 2), ()):
        yield Scenario(f"a gradient of the wrong shape {list(shape)}", "X79", [
            *looked_up([1, 2]), do.tensor("g", ones(shape)), do.backward(
                "y", "g", raises=True, text="invalid gradient at index 0 - got", because="libtorch's own check"),
            do.show("m.weight.grad"),
            do.tensor("h", ones([2, 3])), do.backward("y", "h"), do.show("m.weight.grad")])


def sparse_limits():
    for padding in (0, 1, -1):
        yield Scenario(f"sparse and padded, 0-d input, padding_idx={padding}", "X20 G10", [
            *looked_up(1, padding_idx=padding, sparse=True), do.op("sum", ["y"], "s"), do.backward("s", raises=True),
            do.show("m.weight.grad"), do.show("m.weight")])
    for index in ([1, 1], 2, [[0, 3]]):
        yield Scenario(f"sparse and scale_grad_by_freq, {index}", "X21 G12", [
            *looked_up(index, scale_grad_by_freq=True, sparse=True), do.op("sum", ["y"], "s"),
            do.backward("s", raises=True),
            do.show("m.weight.grad"), do.show("m.weight")])
        yield Scenario(f"functional, sparse and scale_grad_by_freq, {index}", "X21 G12", [
            do.tensor("w", counting(4, 3, requires_grad=True)), do.tensor("i", indices(index)),
            do.functional("y", "i", "w", scale_grad_by_freq=True, sparse=True), do.op("sum", ["y"], "s"),
            do.backward("s", raises=True), do.show("w.grad")])


def scenarios():
    yield from without_a_graph()
    yield from wrong_use()
    yield from sparse_limits()
