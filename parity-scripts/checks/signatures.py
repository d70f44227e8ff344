#!/usr/bin/python3
"""Writes PyTorch's signatures. tests/Embedding.Wrapper.Tests/ConventionTests.cs compares the parameters and defaults of C# with them.

    parity-scripts/checks/signatures.py write    writes tests/Embedding.Wrapper.Tests/Signatures.verified.json
    parity-scripts/checks/signatures.py check    asks PyTorch again and fails if a byte differs

Nothing of the file comes from C#. PyTorch 1.13.1 and 2.14.1 write the same bytes.
"""

import inspect
import json
import pathlib
import sys

import torch
from torch import nn

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "tests/Embedding.Wrapper.Tests/Signatures.verified.json"

FUNCTIONS = {
    "torch.nn.Embedding": nn.Embedding,
    "torch.nn.Embedding.from_pretrained": nn.Embedding.from_pretrained,
    "torch.nn.functional.embedding": nn.functional.embedding,
    "torch.nn.EmbeddingBag": nn.EmbeddingBag,
    "torch.nn.EmbeddingBag.from_pretrained": nn.EmbeddingBag.from_pretrained,
    "torch.nn.EmbeddingBag.forward": nn.EmbeddingBag.forward,
    "torch.nn.functional.embedding_bag": nn.functional.embedding_bag,
    "torch.optim.SparseAdam": torch.optim.SparseAdam,
    "torch.optim.Adagrad": torch.optim.Adagrad,
    "torch.optim.SGD": torch.optim.SGD,
    "torch.nn.utils.clip_grad_norm_": nn.utils.clip_grad_norm_,
}

# Defaults that only newer versions of PyTorch have. 1.13.1 wants a learning rate for SGD.
NEWER_DEFAULTS = {("SGD", "lr"): 1e-3}

# Parameters that .NET does not have: a method's self, those by which from_pretrained passes its table on, and those that choose between
# kernels that compute the same. Any other parameter that PyTorch adds counts as a difference.
NOT_IN_DOTNET = {"self", "_weight", "_freeze", "foreach", "fused", "differentiable"}


def parameters(function):
    for name, parameter in inspect.signature(function).parameters.items():
        if name in NOT_IN_DOTNET:
            continue
        default = NEWER_DEFAULTS.get((function.__name__, name), parameter.default)
        assert default == parameter.default or "required" in str(parameter.default), f"{function.__name__}: {name}"
        required = default is inspect.Parameter.empty
        yield {"name": name} if required else {"name": name, "default": default}


def text():
    functions = []
    for name, function in FUNCTIONS.items():
        lines = ",\n".join(f"  {json.dumps(parameter)}" for parameter in parameters(function))
        functions.append(f" {json.dumps(name)}: [\n{lines}\n ]")
    return "{\n" + ",\n".join(functions) + "\n}\n"


def main(arguments):
    if arguments not in (["write"], ["check"]):
        print("usage: signatures.py write | check", file=sys.stderr)
        return 2
    expected = text().encode("ascii")
    if arguments == ["write"]:
        GOLDEN.write_bytes(expected)
    elif GOLDEN.read_bytes() != expected:
        print(f"{GOLDEN.name} is not what PyTorch {torch.__version__} gives", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
