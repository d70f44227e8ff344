#!/usr/bin/python3 -B
"""Draws scenarios at random and writes them in the goldens' own format: `fuzz.py SEED COUNT FOLDER`.

Every third scenario has an EmbeddingBag, the others an Embedding. The parity suite replays them:
EMBEDDING_WRAPPER_GOLDENS=FOLDER dotnet test --project tests/Embedding.Wrapper.ParityTests --filter-class "*.ParityTests".
The same seed draws the same scenarios on every PyTorch. Nothing is drawn that two versions of PyTorch do differently, or that .NET
does differently on purpose: docs/DIFFERENCES.md lists it. If 1.13.1 gives another
last bit, or refuses a step (for example an optimizer step on a gradient without entries), the scenario is left out there. So is one
that shows a sparse tensor without entries that 1.13.1 made with two sparse dimensions: a gradient of a table has one in 2.14.1.
"""

import generate as goldens  # comes first, because it decides which kernels PyTorch uses

import pathlib
import sys

import torch

from bag_stories import BagStory
from replay import Replay
from steps import Scenario
from stories import Story
from values import seeded


def has_two_sparse_dimensions(step):
    gives = step.get("gives")
    return isinstance(gives, dict) and gives.get("layout") == "sparse_coo" and gives["indices"]["shape"] == [2, 0]


def main():
    seed, count, folder = int(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3])
    torch.set_num_threads(1)
    scenarios, surprises = [], []
    for number in range(count):
        story = (BagStory if number % 3 == 2 else Story)(seeded("fuzz", seed, number))
        scenario = Scenario(f"seed {seed}, number {number}", "", story.tell())
        if story.newer_only and goldens.version() != goldens.REFERENCE:
            continue
        steps, unforeseen = Replay().run(scenario)
        surprises += unforeseen
        older = goldens.version() != goldens.REFERENCE and (story.newer_bits or any(has_two_sparse_dimensions(step) for step in steps))
        if not unforeseen and not older:
            scenarios.append({"name": scenario.name, "proves": [], "pytorch": [goldens.version()], "steps": steps})
    goldens.save(folder / "fuzz.verified.json", {"family": "fuzz", "about": "Drawn at random.", "scenarios": scenarios})
    print(f"PyTorch {goldens.version()}: {len(scenarios)} scenarios of {sum(len(s['steps']) for s in scenarios)} steps from seed {seed}, "
          f"{count - len(scenarios)} left out")
    if surprises and goldens.version() == goldens.REFERENCE:
        sys.exit("not as foreseen:\n" + "\n".join(surprises[:20]))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: fuzz.py SEED COUNT FOLDER")
    main()
