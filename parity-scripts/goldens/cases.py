"""How scenario files choose their cases, and how they name them."""

import itertools

from steps import do
from values import rows_of

SHAPES = ((), (0,), (1,), (3,), (2, 0), (2, 3), (2, 2, 2))
TABLE_LAYOUTS = (None, "transposed", "strided", "expanded", "narrowed")


def pairwise(rng, **choices):
    """Few combinations of the choices, in which any two values of different choices occur together at least once.

    The method is greedy: of a handful of random combinations, it takes the one with the most pairs that have not occurred yet.
    """
    names = list(choices)
    pairs = list(itertools.combinations(range(len(names)), 2))
    left = {(a, x, b, y) for a, b in pairs for x in range(len(choices[names[a]])) for y in range(len(choices[names[b]]))}

    def met(combination):
        return {(a, combination[a], b, combination[b]) for a, b in pairs}

    while left:
        a, x, b, y = min(left)
        candidates = []
        for _ in range(30):
            combination = [rng.randrange(len(choices[name])) for name in names]
            combination[a], combination[b] = x, y
            candidates.append(combination)
        best = max(candidates, key=lambda combination: len(met(combination) & left))
        left -= met(best)
        yield {name: choices[name][at] for name, at in zip(names, best)}


def distinct(scenarios):
    """Leaves out repeated cases: a 0-d tensor, for example, has only one layout."""
    seen = set()
    for scenario in scenarios:
        if scenario.name not in seen:
            seen.add(scenario.name)
            yield scenario


def given(case, *names):
    """The options of a case that are set. The others keep their defaults."""
    return {name: case[name] for name in names if case[name] is not None and case[name] is not False}


def told(options):
    """The options that are set, as text for a scenario's name: `, padding_idx=1, sparse`."""
    return "".join(f", {name}" if option is True else f", {name}={option}" for name, option in options.items())


def shape_text(shape):
    return f"[{', '.join(map(str, shape))}]"


def possible(layout, shape):
    """The layout, or None where a tensor of that shape cannot have it."""
    return None if layout is None or len(shape) < (2 if layout in ("transposed", "expanded_columns") else 1) else layout


def memory_text(case):
    """The layouts of a case that are not row-major, as text for its name: `, table strided, indices transposed`."""
    layouts = {"table": case.get("table_layout"), "gradient": case.get("gradient"),
               "indices": possible(case.get("index_layout"), case["shape"])}
    return "".join(f", {what} {layout}" for what, layout in layouts.items() if layout)


def tensor(name, value, layout=None):
    """A `tensor` step. Its data fits the layout: an expanded tensor has equal rows."""
    shape, layout = value["shape"], possible(layout, value["shape"])
    if layout in ("expanded", "expanded_columns") and value["data"]:
        texts = " ".join(value["data"]).split()
        if layout == "expanded":
            texts = texts[:len(texts) // shape[0]] * shape[0]
        else:
            texts = [text for text in texts[::shape[-1]] for _ in range(shape[-1])]
        value = {**value, "data": rows_of(texts, shape)}
    return do.tensor(name, value, layout) if layout else do.tensor(name, value)
