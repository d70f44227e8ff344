"""The constructor: fresh values, the generator they come from, options as they are stored."""

import itertools

from cases import told
from steps import Scenario, do
from values import counting, indices, ones

ABOUT = "A fresh table holds PyTorch's random numbers bit for bit, and the generator stands where PyTorch leaves it."

SEEDS = (0, 1, 123456789012)
# Fewer than 16 elements, 16, and more with and without a remainder: PyTorch fills each of these differently.
SIZES = ((1, 1), (2, 3), (3, 5), (4, 4), (1, 17), (4, 5), (10, 3), (4, 8))
DTYPES = (None, "float32", "float64")


def fresh_values():
    paddings = itertools.cycle((None, "first", "last", "last counted from the end", "first counted from the end", None))
    for seed, (rows, columns), dtype in itertools.product(SEEDS, SIZES, DTYPES):
        padding = next(paddings)
        options = {} if padding is None else {"padding_idx": {
            "first": 0, "last": rows - 1, "last counted from the end": -1, "first counted from the end": -rows}[padding]}
        if dtype:
            options["dtype"] = dtype
        yield Scenario(f"seed {seed}, {rows}x{columns}{told(options)}", "E2 E3 E4 E5 E6 E7", [
            do.seed(seed),
            do.embedding("m", rows, columns, **options),
            do.show("m.weight"),
            do.show("m.padding_idx"),
            do.randn([3]),
        ])


def same_as_randn():
    for (rows, columns), dtype in itertools.product(SIZES, ("float32", "float64")):
        yield Scenario(f"{rows}x{columns} {dtype} is one randn of the same seed", "E3 E5", [
            do.seed(7),
            do.randn([rows, columns], dtype),
            do.randn([2]),
            do.seed(7),
            do.embedding("m", rows, columns, dtype=dtype),
            do.show("m.weight"),
            do.randn([2]),
        ])


def modules_in_a_row():
    for first, second in itertools.permutations(((2, 3), (4, 5), (3, 3)), 2):
        for dtype in ("float32", "float64"):
            sizes = f"{first[0]}x{first[1]} and {second[0]}x{second[1]}"
            yield Scenario(f"two modules from one generator: {sizes}, {dtype}", "E3 E7", [
                do.seed(5),
                do.embedding("a", *first, padding_idx=1, dtype=dtype),
                do.embedding("b", *second, dtype=dtype),
                do.show("a.weight"),
                do.show("b.weight"),
                do.randn([1]),
            ])


def default_dtype():
    for default, dtype in itertools.product(("float32", "float64"), DTYPES):
        for rows, columns in ((2, 3), (4, 5)):
            options = {"dtype": dtype} if dtype else {}
            yield Scenario(f"default dtype {default}, {rows}x{columns}{told(options)}", "E5 E13", [
                do.default_dtype(default),
                do.seed(0),
                do.embedding("m", rows, columns, padding_idx=-2, **options),
                do.show("m.weight"),
                do.randn([2]),
            ])


def stored_options():
    numbers = (1.0, 0.1, 0.0, -1.0, float("inf"), float("-inf"), float("nan"), 1e-07, 1 / 3)
    shown = ("num_embeddings", "embedding_dim", "padding_idx", "max_norm", "norm_type", "scale_grad_by_freq", "sparse",
             "training")
    cases = [{}, {"padding_idx": 0}, {"padding_idx": -1}, {"padding_idx": -4}, {"padding_idx": 3},
             {"scale_grad_by_freq": True}, {"sparse": True}, {"scale_grad_by_freq": True, "sparse": True},
             *({"max_norm": number} for number in numbers), *({"norm_type": number} for number in numbers),
             {"padding_idx": -2, "max_norm": 2.5, "norm_type": 1.0, "scale_grad_by_freq": True, "sparse": True}]
    for options in cases:
        yield Scenario(f"stored as given{told(options) or ', no options'}", "E2 E6 E9", [
            do.embedding("m", 4, 3, **options),
            *(do.show(f"m.{name}") for name in shown),
            do.show("m.weight.requires_grad"),
            do.show("m.weight.grad"),
        ])


def zero_sized():
    for (rows, columns), dtype in itertools.product(((0, 3), (3, 0), (0, 0)), DTYPES):
        options = {"dtype": dtype} if dtype else {}
        yield Scenario(f"{rows}x{columns}{told(options)}", "E10 E3", [
            do.seed(0),
            do.embedding("m", rows, columns, **options),
            do.show("m.weight"),
            do.randn([2]),
        ])
    yield Scenario("3x0 with padding_idx=1", "E10 E7", [
        do.embedding("m", 3, 0, padding_idx=1), do.show("m.weight"), do.show("m.padding_idx")])


def low_precision():
    """Other versions draw other float16 and bfloat16 numbers, so only what is promised is shown."""
    for dtype, sparse in itertools.product(("float16", "bfloat16"), (False, True)):
        options = {"padding_idx": 1, "dtype": dtype, **({"sparse": True} if sparse else {})}
        yield Scenario(f"4x3{told(options)}", "E2 E7 E16", [
            do.embedding("m", 4, 3, **options),
            do.show("m.weight.dtype"),
            do.show("m.weight.shape"),
            do.show("m.weight.requires_grad"),
            do.tensor("i", indices([1])),
            do.forward("m", "i", "y"),
        ])


def reset_parameters():
    for (rows, columns), dtype, padding in itertools.product(((2, 3), (4, 5)), ("float32", "float64"), (None, 1, -1)):
        options = {"dtype": dtype} if padding is None else {"padding_idx": padding, "dtype": dtype}
        yield Scenario(f"reset_parameters draws as the constructor does: {rows}x{columns}{told(options)}", "E14", [
            do.embedding("m", rows, columns, **options),
            do.tensor("w", counting(rows, columns, dtype)),
            do.write("m.weight", value="w"),
            do.seed(5),
            do.reset_parameters("m"),
            do.show("m.weight"),
            do.randn([2]),
        ])
    for freeze, padding in itertools.product((True, False), (None, 2)):
        options = {"freeze": freeze} if padding is None else {"freeze": freeze, "padding_idx": padding}
        yield Scenario(f"reset_parameters refills the given table{told(options)}", "E14 P3", [
            do.tensor("w", counting(4, 5)),
            do.from_pretrained("m", "w", **options),
            do.seed(5),
            do.reset_parameters("m"),
            do.show("w"),
            do.show("m.weight.requires_grad"),
        ])
    yield Scenario("reset_parameters keeps the gradient", "E14", [
        do.seed(1),
        do.embedding("m", 2, 3),
        do.tensor("i", indices([1])),
        do.tensor("g", ones([1, 3])),
        do.forward("m", "i", "y"),
        do.backward("y", "g"),
        do.reset_parameters("m"),
        do.show("m.weight"),
        do.show("m.weight.grad"),
    ])


def modes():
    for mode in ("no_grad", "inference_mode"):
        yield Scenario(f"made under {mode} the weight still requires a gradient", "E15", [
            do.seed(0),
            do.embedding("m", 2, 3, **{mode: True}),
            do.show("m.weight"),
            do.randn([2]),
        ])


def documented_examples():
    """The page's two examples. The page shows numbers of a run without a seed; these numbers are those of seed 0."""
    for name, options, batch in (("an Embedding module containing 10 tensors of size 3", {}, [[1, 2, 4, 5], [4, 3, 2, 9]]),
                                 ("example with padding_idx", {"padding_idx": 0}, [[0, 2, 0, 5]])):
        yield Scenario(f"the page: {name}", "R20 F1 E7", [
            do.seed(0),
            do.embedding("embedding", 10, 3, **options),
            do.tensor("input", indices(batch)),
            do.forward("embedding", "input", "y"),
        ])


def scenarios():
    yield from documented_examples()
    yield from fresh_values()
    yield from same_as_randn()
    yield from modules_in_a_row()
    yield from default_dtype()
    yield from stored_options()
    yield from zero_sized()
    yield from low_precision()
    yield from reset_parameters()
    yield from modes()
