#!/usr/bin/python3
"""One table that PyTorch trains: what tests/Embedding.Wrapper.OrleansTests compares sharded tables with.

    parity-scripts/checks/sharded.py write    writes tests/Embedding.Wrapper.OrleansTests/Sharded.verified.json
    parity-scripts/checks/sharded.py check    trains again and fails if a byte differs

Nothing of the file comes from C#. PyTorch 1.13.1 and 2.14.1 write the same bytes.
"""

import hashlib
import json
import os
import pathlib
import sys

os.environ["ATEN_CPU_CAPABILITY"] = "default"  # the plain kernels, which the .NET tests use too

import torch

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "tests/Embedding.Wrapper.OrleansTests/Sharded.verified.json"
ROWS, WIDTH, SEED, STEPS = 97, 5, 19, 50  # 485 numbers: the last 16 are drawn anew

OPTIMIZERS = {
    "sparse_adam": lambda weights: torch.optim.SparseAdam(weights, lr=0.05, betas=(0.8, 0.95), eps=1e-6),
    "adagrad": lambda weights: torch.optim.Adagrad(weights, lr=0.1, lr_decay=0.01, initial_accumulator_value=0.1),
    "sgd": lambda weights: torch.optim.SGD(weights, lr=0.05),
    "sgd_momentum": lambda weights: torch.optim.SGD(weights, lr=0.05, momentum=0.9, dampening=0.25),
}


def batches():
    """Rows with repetitions, out of order. Above 16 entries libtorch sums those of a row in an order that hangs on all of them."""
    state = 12345
    for step in range(STEPS):
        size = (1, 3, 40, 24)[step % 4]
        reach = 12 if step % 5 == 4 else ROWS  # some batches miss most shards
        batch = []
        for _ in range(size):
            state = (state * 1103515245 + 12345) % 2**31
            batch.append((state >> 16) % reach)
        yield batch


def upstream(rows, step):
    """A gradient that hangs on the rows, so that an error grows. Each operation rounds once, in every library."""
    pattern = [[((7 * i + 3 * j + 5 * step) % 11 - 5) / 8 for j in range(WIDTH)] for i in range(rows.shape[0])]
    return rows.detach() * 0.5 + torch.tensor(pattern, dtype=torch.float32).reshape(-1, WIDTH)


def zeros():
    """Two steps whose gradients have the zero -0: all rows, then three. The sum of two sparse tensors changes the sign of a zero."""
    for batch in (list(range(ROWS)), [3, 5, 4]):
        yield batch, torch.tensor([[-0.0 if i % 3 == 0 else 1.0] * WIDTH for i in range(len(batch))])


def raw(tensor):
    return tensor.detach().contiguous().numpy().tobytes()


def sha(tensor):
    return hashlib.sha256(raw(tensor)).hexdigest()[:16]


def train(name, steps):
    torch.manual_seed(SEED)
    table = torch.nn.Embedding(ROWS, WIDTH, sparse=True)
    optimizer = OPTIMIZERS[name](table.parameters())
    hashes = [sha(table.weight)]
    for step, (batch, given) in enumerate(steps):
        optimizer.zero_grad(set_to_none=True)
        rows = table(torch.tensor(batch))
        rows.backward(upstream(rows, step) if given is None else given)
        if name == "sgd_momentum":
            table.weight.grad = table.weight.grad.coalesce()
        optimizer.step()
        hashes.append(sha(table.weight))
    state = {"weight": raw(table.weight).hex()}
    for key, value in optimizer.state[table.weight].items():
        if key == "step":
            continue
        if value is not None and value.is_sparse:
            value = value.coalesce()
            state["momentum_buffer.rows"] = value.indices()[0].tolist()
            state["momentum_buffer.values"] = raw(value.values()).hex()
        elif value is not None:
            state[key] = raw(value).hex()
    return {"hashes": hashes, "state": state}


def main(arguments):
    if arguments not in (["write"], ["check"]):
        print("usage: sharded.py write | check", file=sys.stderr)
        return 2
    content = {
        "rows": ROWS,
        "width": WIDTH,
        "seed": SEED,
        "batches": [" ".join(map(str, batch)) for batch in batches()],
        "optimizers": {name: train(name, [(batch, None) for batch in batches()]) for name in OPTIMIZERS},
        "zeros": train("sgd_momentum", zeros())["state"],
    }
    text = json.dumps(content, indent=1) + "\n"
    if arguments == ["write"]:
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(text)
    elif GOLDEN.read_text() != text:
        print(f"{GOLDEN.name} is not what PyTorch {torch.__version__} gives", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
