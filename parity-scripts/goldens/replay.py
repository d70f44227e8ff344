"""Runs a scenario's steps on PyTorch and fills in what each gave."""

import contextlib
import tempfile
import warnings

import torch
import torch.nn.functional as F

from encoding import DTYPES, decode_number, decode_tensor, encode
from steps import OPTIONS

FILLER = 113  # between the elements of a spaced-out tensor, where a reader that ignores strides would find it

OPS = {
    "sum": torch.sum, "square": torch.square, "exp": torch.exp, "clone": torch.clone, "detach": torch.Tensor.detach,
    "sigmoid": torch.sigmoid, "prod": torch.prod, "mul": torch.mul, "add": torch.add,
    "matmul_t": lambda a, b: a @ b.t(), "unsqueeze0": lambda a: a.unsqueeze(0), "unsqueeze1": lambda a: a.unsqueeze(1),
    "to_dense": torch.Tensor.to_dense, "coalesce": torch.Tensor.coalesce, "contiguous": torch.Tensor.contiguous,
}


def lay_out(plain, layout):
    """The values in another memory layout, or a tensor that a golden cannot write out. Expanded layouts repeat the first values."""
    if layout == "transposed":
        return plain.transpose(-1, -2).contiguous().transpose(-1, -2)
    if layout == "strided":
        wide = torch.full((*plain.shape[:-1], 2 * plain.shape[-1]), FILLER, dtype=plain.dtype)
        wide[..., ::2] = plain
        return wide[..., ::2]
    if layout == "expanded":
        return plain[:1].clone().expand(plain.shape)
    if layout == "expanded_columns":
        return plain[..., :1].clone().expand(plain.shape)
    if layout == "narrowed":
        tall = torch.full((plain.shape[0] + 2, *plain.shape[1:]), FILLER, dtype=plain.dtype)
        tall[1:-1] = plain
        return tall[1:-1]
    if layout == "complex":
        return torch.view_as_complex(plain)
    if layout == "meta":
        return plain.to("meta")
    return plain


class Replay:
    """Holds the names of one scenario, and has a method for each kind of step that returns the result."""

    def __init__(self):
        self.names = {}

    def run(self, scenario):
        """Returns the steps with their results, and a list of what was not as declared."""
        steps, surprises = [], []
        usual = torch.get_default_dtype()
        try:
            for step in scenario.steps:
                result, surprise = self.run_step(step)
                steps.append(step.text(result))
                if surprise:
                    surprises.append(f"{scenario.name}: {step.text({})}: {surprise}")
        finally:
            torch.set_default_dtype(usual)
        return steps, surprises

    def run_step(self, step):
        arguments = {name: value for name, value in step.arguments.items() if name not in ("no_grad", "inference_mode")}
        try:
            with self.modes(step), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = getattr(self, "do_" + step.do.rstrip("_"))(**{self.keyword(n): v for n, v in arguments.items()})
        except Exception as exception:
            text = str(exception)
            if step.do != "load_state_dict":  # the further lines of other messages are not part of the contract
                text = text.partition("\n")[0]
            raised = {"raises": {"type": type(exception).__name__, "text": text}}
            return raised, None if step.raises else f"raised {raised['raises']}"
        if "as" in arguments:
            self.names[arguments["as"]] = result
        surprise = "did not raise" if step.raises else None
        return ({"gives": encode(result)} if step.gives else {}), surprise

    @staticmethod
    def keyword(name):
        return {"as": "as_", "from": "from_"}.get(name, name)

    @staticmethod
    def modes(step):
        if step.arguments.get("inference_mode"):
            return torch.inference_mode()
        return torch.no_grad() if step.arguments.get("no_grad") else contextlib.nullcontext()

    def at(self, path):
        """Reads a path: `m.weight.grad`. A number in it names a module of a Sequential, `state` the state of an optimizer."""
        first, *rest = path.split(".")
        found = self.names[first]
        if rest[:1] == ["state"]:
            return self.kept(found, self.at(".".join(rest[1:-1])), rest[-1])
        for part in rest:
            found = found[int(part)] if part.isdigit() else getattr(found, part)
        return found

    @staticmethod
    def kept(optimizer, parameter, name):
        """Reads the state of an optimizer: None, or 0 for `step`, if there is nothing yet."""
        value = optimizer.state.get(parameter, {}).get(name)
        return int(value or 0) if name == "step" else value  # Adagrad counts in a float tensor

    def maybe_at(self, path):
        return None if path is None else self.at(path)

    @staticmethod
    def options(named):
        return {name: decode_number(value) if name in OPTIONS else value for name, value in named.items()}

    # What a step makes

    def do_tensor(self, as_, value, layout=None):
        tensor = lay_out(decode_tensor(value), layout)
        return tensor.requires_grad_() if value.get("requires_grad") else tensor

    def do_seed(self, value):
        torch.manual_seed(value)

    def do_default_dtype(self, dtype):
        torch.set_default_dtype(DTYPES[dtype])

    def do_randn(self, shape, dtype=None, as_=None):
        return torch.randn(shape, dtype=DTYPES[dtype] if dtype else None)

    def do_embedding(self, as_, num_embeddings, embedding_dim, dtype=None, **options):
        dtype = DTYPES[dtype] if dtype else None
        return torch.nn.Embedding(num_embeddings, embedding_dim, dtype=dtype, **self.options(options))

    def do_from_pretrained(self, as_, embeddings, **options):
        return torch.nn.Embedding.from_pretrained(self.at(embeddings), **self.options(options))

    def do_embedding_bag(self, as_, num_embeddings, embedding_dim, dtype=None, **options):
        dtype = DTYPES[dtype] if dtype else None
        return torch.nn.EmbeddingBag(num_embeddings, embedding_dim, dtype=dtype, **self.options(options))

    def do_bag_from_pretrained(self, as_, embeddings, **options):
        return torch.nn.EmbeddingBag.from_pretrained(self.at(embeddings), **self.options(options))

    def do_sequential(self, as_, of):
        return torch.nn.Sequential(*map(self.at, of))

    def do_linear(self, as_, in_features, out_features):
        return torch.nn.Linear(in_features, out_features, bias=False)

    def do_sgd(self, as_, parameters=None, groups=None, **options):
        return self.optimizer(torch.optim.SGD, parameters, groups, options)

    do_own_sgd = do_sgd

    def do_sparse_adam(self, as_, parameters=None, groups=None, **options):
        usual = (options.get("beta1", 0.9), options.get("beta2", 0.999))
        groups = groups and [self.with_betas(group, *usual) for group in groups]
        return self.optimizer(torch.optim.SparseAdam, parameters, groups, self.with_betas(options, *usual))

    def do_adagrad(self, as_, parameters=None, groups=None, **options):
        return self.optimizer(torch.optim.Adagrad, parameters, groups, options)

    @staticmethod
    def with_betas(options, beta1, beta2):
        """Joins the goldens' two options to PyTorch's one, which is a pair."""
        others = {name: value for name, value in options.items() if name not in ("beta1", "beta2")}
        return {**others, "betas": (options.get("beta1", beta1), options.get("beta2", beta2))}

    def optimizer(self, kind, parameters, groups, options):
        def group(parameters, **own):
            return {"params": [self.at(path) for path in parameters], **own}

        given = [self.at(path) for path in parameters] if groups is None else [group(**named) for named in groups]
        return kind(given, **options)

    def do_hook(self, of, kind, as_):
        module = self.at(of)
        if kind == "forward_pre":
            return module.register_forward_pre_hook(lambda _, inputs: (inputs[0] + 1, *inputs[1:]))
        return module.register_forward_hook(lambda _, inputs, output: output * 10)

    # What a step computes

    def do_functional(self, input, weight, as_=None, **options):
        return F.embedding(self.at(input), self.at(weight), **self.options(options))

    def do_functional_embedding_bag(self, input, weight, as_=None, offsets=None, per_sample_weights=None, **options):
        return F.embedding_bag(self.at(input), self.at(weight), self.maybe_at(offsets),
                               per_sample_weights=self.maybe_at(per_sample_weights), **self.options(options))

    def do_forward(self, of, input, as_=None, offsets=None, per_sample_weights=None):
        if offsets is None and per_sample_weights is None:
            return self.at(of)(self.at(input))
        return self.at(of)(self.at(input), self.maybe_at(offsets), self.maybe_at(per_sample_weights))

    def do_backward(self, of, gradient=None, retain_graph=None, create_graph=False):
        self.at(of).backward(self.maybe_at(gradient), retain_graph=retain_graph, create_graph=create_graph)

    def do_grad(self, of, wrt, as_, gradient=None, create_graph=False):
        return torch.autograd.grad(self.at(of), self.at(wrt), self.maybe_at(gradient), create_graph=create_graph)[0]

    def do_op(self, name, of, as_):
        return OPS[name](*map(self.at, of))

    def do_step(self, of, closure=None, input=None):
        def loss():
            self.at(of).zero_grad(set_to_none=True)
            total = self.at(closure)(self.at(input)).sum()
            total.backward()
            return total

        return self.at(of).step(*([loss] if closure else []))

    def do_set_lr(self, of, value):
        for group in self.at(of).param_groups:
            group["lr"] = value

    def do_set_option(self, of, name, value):
        for group in self.at(of).param_groups:
            group[name] = value

    def do_clip_grad_norm(self, parameters, max_norm, as_=None, **options):
        return torch.nn.utils.clip_grad_norm_([self.at(path) for path in parameters], max_norm, **options)

    # What a step reads

    def do_show(self, what):
        return self.at(what)

    def do_repr(self, of):
        return repr(self.at(of))

    def do_print(self, of):
        return repr(self.at(of))

    def do_parameters(self, of):
        return [name for name, _ in self.at(of).named_parameters()]

    def do_state_dict(self, of):
        return dict(self.at(of).state_dict())

    # What a step changes

    def do_load_state_dict(self, of, state, strict=True):
        with self.same_parameters(of):
            keys = self.at(of).load_state_dict({key: self.at(path) for key, path in state.items()}, strict=strict)
        return {"missing_keys": keys.missing_keys, "unexpected_keys": keys.unexpected_keys}

    def do_save_load(self, from_, to):
        with tempfile.TemporaryFile() as file:
            torch.save(self.at(from_).state_dict(), file)
            file.seek(0)
            self.at(to).load_state_dict(torch.load(file))

    def do_to(self, of, dtype):
        with self.same_parameters(of):
            self.at(of).to(DTYPES[dtype])

    def do_train(self, of):
        self.at(of).train()

    def do_eval(self, of):
        self.at(of).eval()

    def do_requires_grad(self, of, value):
        self.at(of).requires_grad_(value)

    def do_zero_grad(self, of):
        self.at(of).zero_grad(set_to_none=True)

    def do_reset_parameters(self, of):
        with self.same_parameters(of):
            self.at(of).reset_parameters()

    def do_set_weight(self, of, to, requires_grad=True):
        tensor = self.at(to)
        is_parameter = isinstance(tensor, torch.nn.Parameter)
        self.at(of).weight = tensor if is_parameter else torch.nn.Parameter(tensor, requires_grad)

    def do_set_grad(self, of, to):
        self.at(of).grad = self.maybe_at(to)

    def do_write(self, to, value, row=None):
        with torch.no_grad():
            target = self.at(to)
            (target if row is None else target[row]).copy_(self.at(value))

    def do_unhook(self, of):
        self.at(of).remove()

    @contextlib.contextmanager
    def same_parameters(self, of):
        """Asserts that the parameters stay the same objects: PyTorch promises it, and optimizers depend on it."""
        before = list(self.at(of).parameters())
        yield
        after = list(self.at(of).parameters())
        assert all(one is other for one, other in zip(before, after)), "the parameter was replaced"
