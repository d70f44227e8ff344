"""The words of the optimizers' scenarios: a table that learns, the batches, and what each step leaves behind."""

from cases import tensor
from steps import do
from values import indices, ugly

KEPT = {"sgd": ("momentum_buffer",), "own_sgd": ("momentum_buffer",), "sparse_adam": ("step", "exp_avg", "exp_avg_sq"),
        "adagrad": ("step", "sum")}


def table(weight, module="m", layout=None, **options):
    return [tensor("w", weight, layout), do.from_pretrained(module, "w", freeze=False, **options)]


def backward(index, gradient=None, module="m", layout=None):
    """A look-up and its backward pass. Without `gradient`, the sum sends back ones in expanded memory."""
    steps = [do.tensor("i", index if isinstance(index, dict) else indices(index)), do.forward(module, "i", "y", gives=False)]
    if gradient is None:
        return [*steps, do.op("sum", ["y"], "s"), do.backward("s")]
    return [*steps, tensor("g", gradient, layout), do.backward("y", "g")]


def state(kind, optimizer="o", weight="m.weight"):
    return [do.show(f"{optimizer}.state.{weight}.{name}") for name in KEPT[kind]]


def stepped(kind, *weights, optimizer="o"):
    """An optimizer step, and everything that it may change. If `kind` is None, only the weights are shown."""
    steps = [do.step(optimizer)]
    for weight in weights or ("m.weight",):
        steps += [do.show(weight), *(state(kind, optimizer, weight) if kind else [])]
    return steps


def trained(kind, batches, shown=True):
    """A step for each batch, which is an index and a gradient."""
    return [step for index, gradient in batches
            for step in (do.zero_grad("o"), *backward(index, gradient), *stepped(kind if shown else None))]


def drawn_batches(rng, rows, columns, sizes=(4, 1, 5), dtype="float32"):
    """Batches of random rows, of the given sizes, with gradients for which every operation rounds."""
    return [([rng.randrange(rows) for _ in range(size)], ugly(rng, (size, columns), dtype)) for size in sizes]


def optimizer(kind, options, parameters=("m.weight",)):
    return getattr(do, kind)("o", list(parameters), **options)


def learn(kind, options, batches):
    return [optimizer(kind, options), *trained(kind, batches)]


def dense(index, gradient, drop=True):
    """A dense gradient for a table whose module gives sparse ones."""
    first = [do.zero_grad("o")] if drop else []
    return [*first, do.tensor("i", indices(index)), do.functional("y", "i", "m.weight", gives=False),
            do.tensor("g", gradient), do.backward("y", "g")]
