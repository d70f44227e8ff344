#!/usr/bin/python3
"""Runs the guided tour on real PyTorch. tests/Embedding.Wrapper.ReplTests compares the C# tour with the results.

    parity-scripts/checks/tour.py write    writes tests/Embedding.Wrapper.ReplTests/Tour.verified.txt
    parity-scripts/checks/tour.py check    runs the steps again and fails if a byte differs

The steps and their headings are those of src/Embedding.Wrapper.Repl/GuidedTour.cs, and the first of WordMap.cs. Nothing of the file comes from C#.
PyTorch 1.13.1 and 2.14.1 write the same bytes.
"""

import os
import pathlib
import sys

# libtorch's vector kernels sum in an order that depends on the processor. The plain kernels give the same digits everywhere.
os.environ["ATEN_CPU_CAPABILITY"] = "default"

import torch
from torch import nn

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = REPOSITORY / "tests/Embedding.Wrapper.ReplTests/Tour.verified.txt"
GLOVE = REPOSITORY / "src/Embedding.Wrapper.Repl/Data/glove.6B.100d.first2000.txt"
SIXTY = REPOSITORY / "src/Embedding.Wrapper.Repl/Data/glove.6B.100d.sixty.txt"

lines = []


def step(heading, seed=0):
    lines.extend(([""] if lines else []) + [f"# {heading}"])
    torch.manual_seed(seed)


def show(value):
    lines.append(str(value))


def layer():
    step("A table of 10 vectors of size 3, and a batch of 2 samples of 4 indices each")
    embedding = nn.Embedding(10, 3)
    input = torch.LongTensor([[1, 2, 4, 5], [4, 3, 2, 9]])
    show(embedding(input))

    step("The layer and its only parameter")
    embedding = nn.Embedding(10, 3)
    show(embedding)
    show(embedding.weight)

    step("A padding index: its row starts as zeros")
    embedding = nn.Embedding(10, 3, padding_idx=0)
    input = torch.LongTensor([[0, 2, 0, 5]])
    show(embedding(input))

    step("Pretrained vectors, frozen unless told otherwise")
    weight = torch.FloatTensor([[1, 2.3, 3], [4, 5.1, 6.3]])
    embedding = nn.Embedding.from_pretrained(weight)
    input = torch.LongTensor([1])
    show(embedding(input))


def max_norm():
    # With this seed the loss is not on the edge between two texts of four decimals.
    step("max_norm: the look-up writes to the weight, so a use of the weight before it cannot be differentiated", seed=3)
    embedding = nn.Embedding(3, 5, max_norm=True)
    w = torch.randn((7, 5), requires_grad=True)
    idx = torch.tensor([1, 2])
    a = embedding.weight @ w.t()
    b = embedding(idx) @ w.t()
    loss = (a.unsqueeze(0) + b.unsqueeze(1)).sigmoid().prod()
    try:
        loss.backward()
    except RuntimeError as error:
        # The sentence is followed by a hint, which differs between the versions.
        show("RuntimeError: " + str(error).split(" Hint:")[0])

    step("max_norm with a clone of the weight: it can; and the two rows that were looked up now have norm 1", seed=3)
    embedding = nn.Embedding(3, 5, max_norm=True)
    w = torch.randn((7, 5), requires_grad=True)
    idx = torch.tensor([1, 2])
    a = embedding.weight.clone() @ w.t()
    b = embedding(idx) @ w.t()
    loss = (a.unsqueeze(0) + b.unsqueeze(1)).sigmoid().prod()
    loss.backward()
    show(loss)
    show(embedding.weight)
    show(embedding.weight.detach().norm(dim=1))


def padding():
    step("The padding row gets no gradient")
    embedding = nn.Embedding(4, 3, padding_idx=2)
    input = torch.LongTensor([[0, 2], [2, 3]])
    embedding(input).sum().backward()
    show(embedding.weight)
    show(embedding.weight.grad)

    step("The padding row may be overwritten: a look-up returns what it holds")
    embedding = nn.Embedding(4, 3, padding_idx=2)
    with torch.no_grad():
        embedding.weight[2] = torch.ones(3)
    show(embedding(torch.LongTensor([2])))


def sparse():
    step("A sparse gradient holds the rows that were looked up and no others")
    embedding = nn.Embedding(10, 3, padding_idx=0, sparse=True)
    input = torch.LongTensor([[0, 2, 0, 5]])
    embedding(input).sum().backward()
    show(embedding)
    show(embedding.weight.grad)


def read(path):
    fields = [line.split(" ") for line in path.read_text(encoding="utf-8").splitlines()]
    words = [word for word, *_ in fields]
    return words, torch.FloatTensor([[float(number) for number in numbers] for _, *numbers in fields])


def word_vectors():
    step("Real vectors: the 2,000 most frequent words of GloVe 6B, 100 numbers each")
    words, vectors = read(GLOVE)
    glove = nn.Embedding.from_pretrained(vectors)
    show(glove)
    show(glove.weight)
    show(glove(torch.tensor([words.index("river")])))

    step("The five nearest words by cosine similarity")
    for word in ["river", "monday", "music", "france", "three"]:
        vector = glove(torch.tensor([words.index(word)]))
        similarity = nn.functional.cosine_similarity(glove.weight, vector)
        values, indices = similarity.topk(6)  # the first is the word itself
        nearest = [f"{words[i]} {value:.4f}" for i, value in zip(indices, values)]
        show(f"{word}: {', '.join(nearest[1:])}")

    step("An analogy: which word is to king as woman is to man")
    king, woman, man = (nn.functional.normalize(vectors[words.index(word)], dim=0) for word in ("king", "woman", "man"))
    similarity = nn.functional.cosine_similarity(vectors, (king + woman - man).unsqueeze(0))
    values, indices = similarity.topk(6)  # the three words of the question may be among them
    found = [(words[i], value) for i, value in zip(indices, values) if words[i] not in ("king", "woman", "man")]
    for word, value in found[:3]:
        show(f"{word} {value:.4f}")

    step("A layer for a vocabulary of one's own: rows of zeros where there is no vector")
    vocabulary = ["<pad>", "<unk>", "river", "lake"]
    table = torch.zeros(len(vocabulary), vectors.shape[1])
    for i, word in enumerate(vocabulary):
        if word in words:
            table[i] = vectors[words.index(word)]
    layer = nn.Embedding.from_pretrained(table, padding_idx=0)
    show(layer)
    show(f"without a vector: {', '.join(word for word in vocabulary if word not in words)}")
    show(layer.weight.narrow(1, 0, 4))


def word_map():
    step("Sixty words, and the two directions in which their vectors differ most: their principal components")
    words, vectors = read(SIXTY)
    centred = vectors.double() - vectors.double().mean(0)
    _, deviations, axes = torch.linalg.svd(centred, full_matrices=False)
    plane = centred @ axes[:2].T
    plane = plane * plane[0].sign()
    share = deviations.square() / deviations.square().sum()
    show(f"share of the variance: {share[0]:.4f} and {share[1]:.4f}")
    for word in ["one", "july", "danube", "germany", "dog"]:
        x, y = plane[words.index(word)]
        show(f"{word}: {x:.3f}, {y:.3f}")


def main(arguments):
    if arguments not in (["write"], ["check"]):
        print("usage: tour.py write | check", file=sys.stderr)
        return 2
    for part in (layer, max_norm, padding, sparse, word_vectors, word_map):
        part()
    text = "".join(f"{line}\n" for line in lines).encode("ascii")
    if arguments == ["write"]:
        GOLDEN.write_bytes(text)
    elif GOLDEN.read_bytes() != text:
        print(f"{GOLDEN.name} is not what PyTorch {torch.__version__} gives", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
