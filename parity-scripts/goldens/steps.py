"""The words in which scenarios are declared: `do.forward("m", "i", "y")` is one step.

A step is checked here against the format, so that a scenario file cannot write what the README does not know.
"""

from encoding import encode_number

OPTIONS = ("padding_idx", "max_norm", "norm_type", "scale_grad_by_freq", "sparse")
BAG_OPTIONS = ("max_norm", "norm_type", "scale_grad_by_freq", "mode", "sparse", "include_last_offset", "padding_idx")
BAG_INPUTS = ("offsets", "per_sample_weights")

# The options of the optimizers and of their groups. All but the flags are doubles. `sgd` and `own_sgd` are one optimizer in PyTorch;
# in .NET the first is TorchSharp's and the second this library's.
SGD = ("lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize")
OPTIMIZERS = {
    "sgd": SGD,
    "own_sgd": SGD,
    "sparse_adam": ("lr", "beta1", "beta2", "eps", "maximize"),
    "adagrad": ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps", "maximize"),
}
FLAGS = ("nesterov", "maximize")

# The arguments of each step, in the order in which the goldens write them and in which a call may give them.
ARGUMENTS = {
    "tensor": ("as", "value", "layout"),
    "seed": ("value",),
    "default_dtype": ("dtype",),
    "randn": ("shape", "dtype", "as"),
    "embedding": ("as", "num_embeddings", "embedding_dim", *OPTIONS, "dtype"),
    "from_pretrained": ("as", "embeddings", "freeze", *OPTIONS),
    "functional": ("as", "input", "weight", *OPTIONS),
    "embedding_bag": ("as", "num_embeddings", "embedding_dim", *BAG_OPTIONS, "dtype"),
    "bag_from_pretrained": ("as", "embeddings", "freeze", *BAG_OPTIONS),
    "functional_embedding_bag": ("as", "input", "weight", *BAG_INPUTS, *BAG_OPTIONS),
    "forward": ("of", "input", "as", *BAG_INPUTS),
    "backward": ("of", "gradient", "retain_graph", "create_graph"),
    "grad": ("of", "wrt", "gradient", "create_graph", "as"),
    "op": ("name", "of", "as"),
    "show": ("what",),
    "repr": ("of",),
    "parameters": ("of",),
    "state_dict": ("of",),
    "load_state_dict": ("of", "state", "strict"),
    "save_load": ("from", "to"),
    "to": ("of", "dtype"),
    "train": ("of",),
    "eval": ("of",),
    "requires_grad_": ("of", "value"),
    "zero_grad": ("of",),
    "reset_parameters": ("of",),
    "set_weight": ("of", "to", "requires_grad"),
    "set_grad": ("of", "to"),
    "write": ("to", "row", "value"),
    "sequential": ("as", "of"),
    "linear": ("as", "in_features", "out_features"),
    "hook": ("of", "kind", "as"),
    "unhook": ("of",),
    **{kind: ("as", "parameters", *options, "groups") for kind, options in OPTIMIZERS.items()},
    "set_lr": ("of", "value"),
    "set_option": ("of", "name", "value"),
    "step": ("of", "closure", "input"),
    "clip_grad_norm": ("parameters", "max_norm", "norm_type", "error_if_nonfinite", "as"),
    "print": ("of",),
}
OPS = ("sum", "square", "exp", "clone", "detach", "sigmoid", "prod", "mul", "add", "matmul_t", "unsqueeze0", "unsqueeze1",
       "to_dense", "coalesce", "contiguous")
LAYOUTS = ("transposed", "strided", "expanded", "expanded_columns", "narrowed", "complex", "meta")
ALWAYS_GIVES = ("randn", "functional", "functional_embedding_bag", "forward", "grad", "show", "repr", "parameters", "state_dict",
                "load_state_dict", "print", "clip_grad_norm")
MODES = ("no_grad", "inference_mode")


class Step:
    """What a scenario declares: the arguments, and whether the step gives a result or raises."""

    def __init__(self, do, arguments, gives, raises, dotnet):
        self.do, self.arguments, self.gives, self.raises, self.dotnet = do, arguments, gives, raises, dotnet

    def text(self, result):
        """The step as the golden holds it. `result` is {"gives": ...}, {"raises": ...} or {}."""
        step = {"do": self.do, **{name: written(value) for name, value in self.arguments.items()}, **result}
        if self.dotnet:
            step["dotnet"] = self.dotnet
        return step


def written(value):
    if isinstance(value, dict):
        return {name: written(entry) for name, entry in value.items()}
    return [written(entry) for entry in value] if isinstance(value, (list, tuple)) else encode_number(value)


def check_optimizer(kind, given):
    for options in (given, *given.get("groups", ())):
        numbers = {name: options[name] for name in OPTIMIZERS[kind] if name in options and name not in FLAGS}
        assert all(isinstance(number, float) for number in numbers.values()), f"{kind}: not all doubles: {numbers}"
    assert all(group.keys() <= {"parameters", *OPTIMIZERS[kind]} for group in given.get("groups", ())), given
    assert ("parameters" in given) != ("groups" in given), f"{kind}: parameters or groups: {given}"


class Scenario:
    """`proves` names items of the specification: one string, separated by spaces. The older PyTorch does not run a scenario
    with `newer_only`: it would read or write memory that is not its own."""

    def __init__(self, name, proves, steps, newer_only=False):
        self.name, self.proves, self.steps, self.newer_only = name, proves.split(), list(steps), newer_only


class Do:
    """Makes steps: `do.<step>(...)`. `as` and `from` are keywords of Python: give them by position, or as `as_` and `from_`.

    gives=False leaves a result out (it is not portable), gives=True asks an `op` for its result, raises=True expects an
    exception, and because="..." with text="..." says that .NET raises with a text of its own.
    """

    def __getattr__(self, do):
        names = ARGUMENTS[do]

        def build(*positional, gives=None, raises=False, text=None, because=None, **named):
            given = dict(zip(names, positional))
            for name, value in named.items():
                name = {"as_": "as", "from_": "from"}.get(name, name)
                assert name not in given and name in (*names, *MODES), f"{do}: {name}"
                given[name] = value
            assert len(positional) <= len(names), do
            assert given.get("name") in OPS if do == "op" else True, given
            assert given.get("layout") in (None, *LAYOUTS), given
            if do == "clip_grad_norm":
                assert all(isinstance(given[name], float) for name in ("max_norm", "norm_type") if name in given), given
            if do in OPTIMIZERS:
                check_optimizer(do, given)
            arguments = {name: given[name] for name in (*names, *MODES) if name in given}
            dotnet = {"text": text, "because": because} if because else None
            return Step(do, arguments, do in ALWAYS_GIVES if gives is None else gives, raises, dotnet)

        return build


do = Do()
