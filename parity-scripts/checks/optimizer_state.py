#!/usr/bin/python3
"""The state of optimizers, to and from PyTorch: what tests/Embedding.Wrapper.Tests/OptimizerPyTorchTests.cs compares with.

    parity-scripts/checks/optimizer_state.py write         writes tests/Embedding.Wrapper.Tests/OptimizerStates/
    parity-scripts/checks/optimizer_state.py check         trains again and fails if a number differs
    parity-scripts/checks/optimizer_state.py resume FILE   loads a state that .NET saved (FILE, and FILE.json beside it), trains on, prints the bits

Nothing of the files comes from C#. PyTorch 1.13.1 and 2.14.1 give the same numbers.
"""

import copy
import json
import os
import pathlib
import sys

os.environ["ATEN_CPU_CAPABILITY"] = "default"  # the plain kernels, which the .NET tests use too

import torch

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "tests/Embedding.Wrapper.Tests/OptimizerStates"
ROWS, WIDTH = 4, 3
BATCHES = [[1, 2, 1], [3], [0, 3, 3], [1]]  # the rows of each step, as the .NET test has them

OPTIMIZERS = {
    "sparse_adam": lambda groups: torch.optim.SparseAdam(groups, lr=0.1, betas=(0.8, 0.95), eps=1e-4),
    "adagrad": lambda groups: torch.optim.Adagrad(groups, lr=0.1, lr_decay=0.01, initial_accumulator_value=0.5, eps=1e-4),
    "sgd": lambda groups: torch.optim.SGD(groups, lr=0.1, momentum=0.9, dampening=0.25),
}


def tables():
    return [torch.nn.Parameter(torch.arange(ROWS * WIDTH, dtype=torch.float32).reshape(ROWS, WIDTH) / 8) for _ in range(2)]


def optimizer(name, parameters):
    """Two groups, the second with a learning rate of its own."""
    return OPTIMIZERS[name]([{"params": [parameters[0]]}, {"params": [parameters[1]], "lr": 0.25}])


def train(parameters, optimizer, steps):
    for step in steps:
        indices = torch.tensor([BATCHES[step]])
        values = torch.tensor([[0.7, -0.3, 1.1]]).repeat(len(BATCHES[step]), 1)
        for parameter in parameters:
            gradient = torch.sparse_coo_tensor(indices, values, parameter.shape)
            # TorchSharp.PyBridge takes no sparse tensors, and the momentum of sparse gradients is sparse
            parameter.grad = gradient.to_dense() if isinstance(optimizer, torch.optim.SGD) else gradient
        optimizer.step()


def bits(parameters):
    return [parameter.detach().numpy().tobytes().hex() for parameter in parameters]


def states(name):
    """Two steps, the state, and two steps more."""
    parameters = tables()
    trained = optimizer(name, parameters)
    train(parameters, trained, [0, 1])
    state, before = copy.deepcopy(trained.state_dict()), bits(parameters)
    kept = [{key: float(value) if key == "step" else value.numpy().tobytes().hex() for key, value in each.items()} for each in state["state"].values()]
    yield state
    train(parameters, trained, [2, 3])
    yield {"before": before, "state": kept, "after": bits(parameters)}


def resume(path):
    given = json.loads(pathlib.Path(path + ".json").read_text())
    parameters = [
        torch.nn.Parameter(torch.frombuffer(bytearray.fromhex(text), dtype=torch.float32).reshape(ROWS, WIDTH)) for text in given["before"]
    ]
    resumed = optimizer(given["optimizer"], parameters)
    for group in resumed.param_groups:
        group.update(lr=9)  # what the file has counts
    resumed.load_state_dict(torch.load(path))
    if given["optimizer"] == "sparse_adam":
        for state in resumed.state.values():
            state["step"] = int(state["step"])  # SparseAdam counts with a Python int; with a tensor it computes in float32
    train(parameters, resumed, [2, 3])
    print(json.dumps(bits(parameters)))
    return 0


def main(arguments):
    if len(arguments) == 2 and arguments[0] == "resume":
        return resume(arguments[1])
    if arguments not in (["write"], ["check"]):
        print("usage: optimizer_state.py write | check | resume FILE", file=sys.stderr)
        return 2
    for name in OPTIMIZERS:
        state, numbers = states(name)
        text, file = FOLDER / f"{name}.verified.json", FOLDER / f"{name}.verified.pt"
        expected = json.dumps(numbers, indent=1) + "\n"
        if arguments == ["write"]:
            FOLDER.mkdir(exist_ok=True)
            torch.save(state, file)
            text.write_text(expected)
        elif text.read_text() != expected or str(torch.load(file)["state"]) != str(state["state"]):
            print(f"{name} is not what PyTorch {torch.__version__} gives", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
