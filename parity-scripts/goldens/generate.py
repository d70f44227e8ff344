#!/usr/bin/env python3
"""Writes, merges and checks the goldens: `write DIR`, `merge DIR`, `check`. The README says what they are."""

import os

os.environ["ATEN_CPU_CAPABILITY"] = "default"  # read when torch is imported: see the end of the README

import argparse
import difflib
import importlib
import json
import pathlib
import sys

import torch

from replay import Replay

HERE = pathlib.Path(__file__).resolve().parent
GOLDENS = HERE.parents[1] / "tests" / "Embedding.Wrapper.ParityTests" / "Goldens"
REFERENCE = "2.14.1"  # its undeclared exceptions are faults; where versions differ, the golden has its results
VERSIONS = ["1.13.1", REFERENCE]


def version():
    """Debian's 1.13.1 calls itself 1.13.0a0."""
    number = torch.__version__.partition("+")[0]
    number = "1.13.1" if number.startswith("1.13.") else number
    if number not in VERSIONS:
        sys.exit(f"PyTorch {torch.__version__} is none of {', '.join(VERSIONS)}: the goldens say nothing about it.")
    return number


def families():
    return sorted(path.stem for path in (HERE / "scenarios").glob("*.py"))


def generate(family):
    """The family's golden with this PyTorch's results, as data."""
    module = importlib.import_module(f"scenarios.{family}")
    scenarios, surprises, names = [], [], set()
    for scenario in module.scenarios():
        if scenario.name in names:
            sys.exit(f"{family}: two scenarios are named '{scenario.name}'.")
        names.add(scenario.name)
        skipped = scenario.newer_only and version() != REFERENCE
        steps, unexpected = ([], []) if skipped else Replay().run(scenario)
        surprises += unexpected
        scenarios.append({"name": scenario.name, "proves": scenario.proves, "pytorch": [version()], "steps": steps})
    if surprises and version() == REFERENCE:
        sys.exit(f"{family}: not as declared:\n" + "\n".join(surprises))
    return {"family": family, "about": module.ABOUT, "scenarios": scenarios}


def render(golden):
    """The text of a golden, with one step a line."""
    def line(value):
        return json.dumps(value, ensure_ascii=True, allow_nan=False)

    def scenario(entry):
        head = ", ".join(f"{line(key)}: {line(entry[key])}" for key in ("name", "proves", "pytorch"))
        steps = ",\n".join("    " + line(step) for step in entry["steps"])
        return f"  {{{head},\n   \"steps\": [\n{steps}\n   ]}}"

    head = "".join(f" {line(key)}: {line(golden[key])},\n" for key in ("family", "about"))
    return f"{{\n{head} \"scenarios\": [\n" + ",\n".join(map(scenario, golden["scenarios"])) + "\n ]\n}\n"


def save(path, golden):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(render(golden).encode("ascii"))


def golden_file(family):
    return GOLDENS / f"{family}.verified.json"


def write(folder):
    for family in families():
        save(folder / version() / f"{family}.json", generate(family))


def merge(folder):
    counts = []
    for family in families():
        older, golden = (json.loads((folder / number / f"{family}.json").read_text()) for number in VERSIONS)
        older_steps = {scenario["name"]: scenario["steps"] for scenario in older["scenarios"]}
        for scenario in golden["scenarios"]:
            if older_steps[scenario["name"]] == scenario["steps"]:
                scenario["pytorch"] = VERSIONS
        save(golden_file(family), golden)
        both = sum(scenario["pytorch"] == VERSIONS for scenario in golden["scenarios"])
        counts.append((family, len(golden["scenarios"]), both))
    for stale in set(GOLDENS.glob("*.verified.json")) - {golden_file(family) for family in families()}:
        stale.unlink()
    for family, total, both in counts:
        print(f"{family}: {total} scenarios, {both} the same on {' and '.join(VERSIONS)}")
    print(f"in all: {sum(total for _, total, _ in counts)} scenarios, {sum(both for _, _, both in counts)} the same on both")


def declared(steps):
    """The steps without their results."""
    return [{key: value for key, value in step.items() if key not in ("gives", "raises")} for step in steps]


def expected_text(family, fresh, held, faults):
    """The text that the golden file must have, given what this PyTorch computes and which versions the file names."""
    held_by_name = {scenario["name"]: scenario for scenario in held["scenarios"]}
    for name in sorted(held_by_name.keys() - {scenario["name"] for scenario in fresh["scenarios"]}):
        faults.append(f"{family}: the golden has a scenario that is no longer declared: '{name}'")
    for scenario in fresh["scenarios"]:
        golden = held_by_name.get(scenario["name"])
        if golden is None:
            faults.append(f"{family}: the golden lacks the scenario '{scenario['name']}'")
            continue
        scenario["pytorch"] = golden["pytorch"]
        if version() in golden["pytorch"]:
            continue
        if scenario["steps"] == golden["steps"]:
            faults.append(f"{family}: '{scenario['name']}' does not name {version()}, which gives the same results")
        elif not scenario["steps"] or declared(scenario["steps"]) == declared(golden["steps"]):
            scenario["steps"] = golden["steps"]
    return render(fresh)


def difference(name, text, expected, most=40):
    """A diff. A step is one long line, so of two lines that differ only the part around the first difference is shown."""
    fresh = f"PyTorch {version()}"
    lines = list(difflib.unified_diff(text.splitlines(), expected.splitlines(), name, fresh, lineterm="", n=1))
    starts = [0] * len(lines)
    for at, (one, other) in enumerate(zip(lines, lines[1:])):
        if one[0] == "-" and other[0] == "+":
            starts[at] = starts[at + 1] = max(0, len(os.path.commonprefix((one[1:], other[1:]))) - 60)
    short = [line[0] + "..." * (start > 0) + line[1 + start:][:160] for line, start in zip(lines[:most], starts)]
    return "\n".join(short + [f"... {len(lines) - most} more lines"] * (len(lines) > most))


def check():
    faults, total, mine = [], 0, 0
    for extra in sorted({path.name for path in GOLDENS.glob("*")} - {golden_file(family).name for family in families()}):
        faults.append(f"{extra}: no scenario file declares this golden")
    for family in families():
        path = golden_file(family)
        if not path.exists():
            faults.append(f"{path.name} is missing")
            continue
        text = path.read_bytes().decode("ascii")
        held = json.loads(text)
        total += len(held["scenarios"])
        mine += sum(version() in scenario["pytorch"] for scenario in held["scenarios"])
        expected = expected_text(family, generate(family), held, faults)
        if text != expected:
            faults.append(difference(path.name, text, expected))
    print("\n".join(faults + [
        f"PyTorch {version()}: {total} scenarios in {len(families())} families, {mine} regenerated byte for byte, "
        f"{total - mine} of another version; faults: {len(faults)}"]))
    return 1 if faults else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command, help_text in (("write", "write this PyTorch's results"), ("merge", "make the goldens from all results")):
        commands.add_parser(command, help=help_text).add_argument("folder", type=pathlib.Path)
    commands.add_parser("check", help="compare the goldens with this PyTorch")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # the order of a sum must not depend on the number of cores
    if arguments.command == "check":
        return check()
    return (write if arguments.command == "write" else merge)(arguments.folder)


if __name__ == "__main__":
    sys.exit(main())
