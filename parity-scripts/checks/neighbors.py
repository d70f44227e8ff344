#!/usr/bin/python3
"""What gensim answers about similar words, for tests/Embedding.Wrapper.Tests/Pretrained/GensimTests.cs.

    parity-scripts/checks/neighbors.py write    writes the golden
    parity-scripts/checks/neighbors.py check    asks gensim again and fails if an answer differs

The questions are about 2000 real vectors (GloVe) and about a small table with ties and zeros. The golden has the words in gensim's order.
gensim leaves the order of ties open: the golden has them in the order of the table. The last digits of a score depend on the processor,
because BLAS adds 100 float32 products in an order of its own. The rounding error of such a sum is about sqrt(100) * 2**-24 = 6e-7, so two
scores are equal if they differ by at most TOLERANCE, and the script refuses a question about real vectors whose answer has two scores
that are closer than twice that. The golden is from gensim 4.2.0 with numpy 1.24.2.
"""

import json
import math
import pathlib
import sys

import gensim
import numpy

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = REPOSITORY / "tests/Embedding.Wrapper.Tests/Pretrained/Data/neighbors.verified.json"
GLOVE = REPOSITORY / "src/Embedding.Wrapper.Repl/Data/glove.6B.100d.first2000.txt"
TOLERANCE = 1e-6

SMALL = {"north": [0, 1], "north again": [0, 4], "northeast": [1, 1], "east": [2, 0], "nowhere": [0, 0], "south": [0, -8], "north too": [0, 2],
         "west": [-1, 0], "nil": [0, 0]}

# Questions: the positive words, the negative words, and how many words to find.
REAL_WORDS = "the , river king money water war president city music computer January he she one two good bad german paris 2008 % dr. son".split()
REAL_MEANS = [
    (["king", "woman"], ["man"], 10),
    (["paris", "germany"], ["france"], 5),
    (["he", "her"], ["she"], 3),
    (["he", "her"], ["him"], 3),
    (["good"], ["bad"], 10),
    ([], ["river"], 5),
    (["river", "river", "money"], [], 10),
    (["river", "river", "river"], ["river"], 10),
    (["river", "money"], ["money"], 10),
    (["one", "two", "three", "four", "five"], ["the", "of"], 20),
    (["king"], ["king", "king"], 5),
    (["music"], [], 0),
    (["no such word"], [], 5),
    (["king"], ["Woman"], 5),
    ([], [], 5),
]
SMALL_MEANS = [
    (["north"], [], 9),
    (["north", "north"], [], 9),
    (["north again"], [], 3),
    (["east"], [], 9),
    (["north"], ["east"], 9),
    (["northeast"], ["north too"], 9),
    (["north"], ["north"], 9),
    (["north", "south"], [], 9),
    (["nowhere"], [], 9),
    (["nowhere", "east"], [], 9),
]
REAL_PAIRS = [("king", "queen"), ("river", "money"), ("the", "the"), ("paris", "france"), ("one", "two"), ("%", "percent")]
SMALL_PAIRS = [("north", "north again"), ("north", "south"), ("north", "east"), ("northeast", "west"), ("nowhere", "north"), ("nowhere", "nil")]


def number(score):
    """A score for JSON, which has no NaN."""
    return None if math.isnan(score) else float(score)


def in_order(found, vectors):
    """The answer with ties in the order of the table. NaN, the score of zeros, comes last, as in gensim."""
    order = {word: index for index, word in enumerate(vectors.index_to_key)}
    return [[word, number(score)] for word, score in sorted(
        found, key=lambda pair: (math.isnan(pair[1]), 0 if math.isnan(pair[1]) else -round(pair[1], 5), order[pair[0]]))]


def answered(ask, vectors, is_real):
    try:
        found = ask()
    except (KeyError, ValueError) as error:
        return {"error": type(error).__name__, "message": str(error.args[0])}
    scores = [score for _, score in found]
    if is_real and any(first - second < 2 * TOLERANCE for first, second in zip(scores, scores[1:])):
        raise AssertionError(f"two scores are too close: {found}")
    return {"found": in_order(found, vectors)}


def questions(vectors, means, pairs, is_real):
    answers = {"means": [], "vectors": [], "pairs": []}
    for positive, negative, count in means:
        # gensim takes a count of 0 as a request for all scores.
        answer = {"found": []} if count == 0 else answered(
            lambda: vectors.most_similar(positive=positive, negative=negative, topn=count), vectors, is_real)
        answers["means"].append({"positive": positive, "negative": negative, "count": count, **answer})
    rows = [vectors.vectors[1] * 3, vectors.vectors[0] + vectors.vectors[2], -vectors.vectors[3], numpy.zeros(vectors.vector_size, numpy.float32)]
    for row in rows[:3] if is_real else rows:
        row = row.astype("<f4")
        answers["vectors"].append({"float32": row.tobytes().hex(), "count": 9, **answered(
            lambda: vectors.similar_by_vector(row, topn=9), vectors, is_real)})
    answers["pairs"] = [[first, second, number(vectors.similarity(first, second))] for first, second in pairs]
    return answers


def golden():
    glove = gensim.models.KeyedVectors.load_word2vec_format(str(GLOVE), binary=False, no_header=True)
    small = gensim.models.KeyedVectors(vector_size=2)
    small.add_vectors(list(SMALL), numpy.array(list(SMALL.values()), dtype=numpy.float32))
    words = [([word], [], 10) for word in REAL_WORDS if word in glove]
    with numpy.errstate(invalid="ignore"):
        return {
            "tolerance": TOLERANCE,
            "glove": questions(glove, words + REAL_MEANS, REAL_PAIRS, is_real=True),
            "small": {"table": SMALL, **questions(small, SMALL_MEANS, SMALL_PAIRS, is_real=False)},
        }


def differences(expected, actual, path=""):
    """Where two documents differ. Numbers that are not whole are scores."""
    if isinstance(expected, float) and isinstance(actual, float):
        if abs(expected - actual) > TOLERANCE:
            yield f"{path}: {expected} is now {actual}"
    elif isinstance(expected, (dict, list)) and type(expected) is type(actual) and len(expected) == len(actual):
        keys = expected if isinstance(expected, dict) else range(len(expected))
        for key in keys:
            if isinstance(expected, dict) and key not in actual:
                yield f"{path}/{key} is missing"
            else:
                yield from differences(expected[key], actual[key], f"{path}/{key}")
    elif expected != actual:
        yield f"{path}: {expected} is now {actual}"


def main(arguments):
    if arguments not in (["write"], ["check"]):
        print("usage: neighbors.py write | check", file=sys.stderr)
        return 2
    content = golden()
    if arguments == ["write"]:
        GOLDEN.write_text(json.dumps(content, indent=None, separators=(",", ":")).replace('{"positive"', '\n{"positive"') + "\n", encoding="ascii")
        return 0
    different = list(differences(json.loads(GOLDEN.read_text(encoding="ascii")), json.loads(json.dumps(content))))
    for line in different:
        print(line, file=sys.stderr)
    print(f"gensim {gensim.__version__}: {len(different)} differences")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
