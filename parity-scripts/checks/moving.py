#!/usr/bin/python3
"""Runs the Python column of docs/MOVING-FROM-PYTORCH.md on PyTorch, from top to bottom.

    parity-scripts/checks/moving.py check    fails if a line does not give what its row says

The C# column is run by tests/Embedding.Wrapper.PackageTests. PyTorch 1.13.1 and 2.14.1 agree with every row.
"""

import os
import pathlib
import re
import sys
import tempfile

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/MOVING-FROM-PYTORCH.md"

# The cells: Python, C#, what both give (nothing, a text, or the text of an error), the difference.
ROW = re.compile(r"\| `(?P<python>[^`]+)` \| `[^`]+` \| (?:(?P<raises>raises )?`(?P<text>[^`]+)` )?\| .*\|")


def what_it_gives(row, names):
    line = row["python"]
    try:
        if not row["text"]:
            exec(line, names)
            return None
        value = eval(line, names)
        return str(value)
    except Exception as error:
        if row["raises"] and row["text"] in str(error):
            return row["text"]
        return f"{type(error).__name__}: {error}"


def main(arguments):
    if arguments != ["check"]:
        print("usage: moving.py check", file=sys.stderr)
        return 2
    page = PAGE.read_text(encoding="utf-8")
    names = {}
    exec(re.search(r"```python\n(.*?)```", page, re.DOTALL).group(1), names)
    lines = [line for line in page.splitlines() if line.startswith("| `")]
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # some lines write files
        for line in lines:
            row = ROW.fullmatch(line)
            given = what_it_gives(row, names) if row else "no row of four cells"
            if not row or given != row["text"]:
                print(f"{line}\n    gives: {given}", file=sys.stderr)
                faults += 1
    return 1 if faults or not lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
