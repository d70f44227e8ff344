#!/usr/bin/python3
"""Makes the goldens of tests/Embedding.Wrapper.Tests/Pretrained: files of pretrained vectors, as Python's libraries write and read them.

    parity-scripts/checks/pretrained.py write          writes the goldens
    parity-scripts/checks/pretrained.py check          makes them again and fails if a byte differs
    parity-scripts/checks/pretrained.py describe FILE  prints what safetensors reads from a file, as JSON
    parity-scripts/checks/pretrained.py words FORMAT FILE  prints what gensim reads: glove, text or binary

The goldens come from three libraries: numpy (python3-numpy), gensim (python3-gensim) and safetensors (python3-safetensors with
python3-torch; Debian 12 does not have it, with_pytorch_2.14.sh does). If a library is not installed, the script says so and leaves
that library's goldens alone. Nothing in a golden comes from C#. numpy 1.24.2 and 2.4.6 give the same bytes; the others are gensim
4.2.0 and safetensors 0.8.0.
"""

import hashlib
import json
import pathlib
import random
import struct
import sys
import tempfile
from fractions import Fraction

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
DATA = REPOSITORY / "tests/Embedding.Wrapper.Tests/Pretrained/Data"
GLOVE = REPOSITORY / "src/Embedding.Wrapper.Repl/Data/glove.6B.100d.first2000.txt"


# numpy: the float32 that it reads from a text


def decimal(value):
    """A fraction whose denominator is a power of two, written out to the last digit."""
    sign, value = ("-", -value) if value < 0 else ("", value)
    places = value.denominator.bit_length() - 1
    digits = str(value.numerator * 5**places).rjust(places + 1, "0")
    return f"{sign}{digits[:len(digits) - places]}.{digits[len(digits) - places:]}" if places else sign + digits


def number_texts():
    """Texts of numbers, among them those that a reader is likely to get wrong."""
    yield from "0 -0 +0 0.0 -0.0 00 007 1 -1 +1 1. -1. .5 -.5 +.5 1.5 10 123456789 0.1 -0.038194 0.000001 3.14159265358979".split()
    yield from "1e5 1E5 1e+5 1e-5 1.e5 .1e1 -2.5E-3 1e0 1e-0 1e00005 0e0 0e999 -0e-999 0.0e99999999999999999999".split()
    yield from "inf -inf +inf INF Inf infinity -Infinity +INFINITY iNfInItY nan NaN NAN -nan +nan".split()
    yield from "1e38 3.4028234e38 3.4028235e38 3.4028236e38 3.40282357e38 3.4028235677973366e38 3.4028235677973365e38 1e39 -1e39".split()
    yield from "1e308 1.7976931348623157e308 1.7976931348623159e308 1e309 -1e309 1e400 1e99999 1e2147483648 1e99999999999999999999".split()
    yield from "1e-37 1.17549435e-38 1.17549421e-38 1e-40 1.4e-45 1.401298464324817e-45 0.7e-45 7.006492321624085e-46".split()
    yield from "7.006492321624086e-46 1e-46 1e-300 1e-323 1e-324 -1e-400 1e-99999999999999999999".split()
    yield from "9007199254740991 9007199254740992 9007199254740993 9007199254740993e10 9007199254740993e-10 18446744073709551615".split()
    yield from "18446744073709551616 99999999999999999999 123456789012345678901234567890 0.12345678901234567890123456789".split()
    yield from "1e22 1e23 123e22 9e22 8.5e22 1.0e-22 1.0e-23 4503599627370496.5 4503599627370497.5".split()
    yield "1" + "0" * 50
    yield "0." + "0" * 50 + "1"
    yield "0." + "0" * 400 + "1e400"
    yield "1" + "0" * 400 + "e-400"
    yield "0." + "3" * 800
    yield "1." + "0" * 200 + "1"
    yield "16777217." + "0" * 800 + "1"
    for exponent in (-149, -140, -127, -126, -100, -24, -1, 0, 1, 10, 23, 24, 60, 103):
        for mantissa in (1, 3, 2**23 + 1, 2**24 - 1):
            # The middle between two float32, and two numbers so near to it that float64 does not tell them from it. A reader that
            # rounds only once does.
            middle = (Fraction(mantissa) + Fraction(1, 2)) * Fraction(2) ** min(exponent, 103)
            for beside in (Fraction(0), Fraction(2) ** (exponent - 80), -(Fraction(2) ** (exponent - 80))):
                yield decimal(middle + beside)
    generator = random.Random(5)
    for _ in range(300):
        yield repr(generator.gauss(0, 0.4))
        yield f"{generator.gauss(0, 0.4):.5g}"
        yield f"{generator.gauss(0, 3):.6f}"
        yield f"{generator.uniform(-1, 1) * 10.0 ** generator.randint(-50, 42):.{generator.randint(0, 24)}e}"
        bits = generator.getrandbits(32)
        yield repr(struct.unpack("<f", struct.pack("<I", bits if bits & 0x7F800000 != 0x7F800000 else 1))[0])
        digits = "".join(generator.choice("0123456789") for _ in range(generator.randint(1, 30)))
        point = generator.randint(0, len(digits))
        yield f"{digits[:point]}.{digits[point:]}"


def numpy_goldens():
    import numpy

    lines = []
    for text in number_texts():
        with numpy.errstate(over="ignore"):
            bits = int(numpy.float32(text).view(numpy.uint32))
        assert bits == int(numpy.loadtxt([text], dtype=numpy.float32).view(numpy.uint32)), text
        lines.append(f"{bits:08x} {text}\n")
    yield "numbers.verified.txt", "".join(lines).encode("ascii")

    rows = [line.split(" ") for line in GLOVE.read_text(encoding="utf-8").splitlines()]
    words = [word for word, *_ in rows]
    vectors = numpy.array([[numpy.float32(number) for number in numbers] for _, *numbers in rows])
    assert (vectors == numpy.loadtxt(GLOVE, dtype=numpy.float32, comments=None, usecols=range(1, 101), encoding="utf-8")).all()
    yield "glove.verified.json", document(vectors_golden(words, vectors, shown=("the", "river", words[-1])))


def vectors_golden(words, vectors, shown):
    return {
        "words": len(words),
        "words_sha256": hashlib.sha256("\n".join(words).encode("utf-8")).hexdigest(),
        "shape": list(vectors.shape),
        "float32_sha256": hashlib.sha256(vectors.astype("<f4").tobytes()).hexdigest(),
        "rows": {word: vectors[words.index(word)].astype("<f4").tobytes().hex() for word in shown},
    }


# gensim: both word2vec formats


def gensim_goldens():
    import gensim
    import numpy

    words = ["the", ",", ".", "of", "Straße", "naïve", "日本語", "emoji😀", "\u0301combining", "non\u00a0breaking", "line\u2028separator",
             "3.14", "-7", "nan", "inf", "C#", "under_score", '"quoted"', "a" * 300]
    generator = random.Random(7)
    rows = [[generator.gauss(0, 0.4) for _ in range(5)] for _ in words]
    rows[1] = [0.0, -0.0, 1.0, -1.0, 1e-45]
    rows[2] = [3.4028234663852886e38, 1.1754943508222875e-38, 0.1, 1 / 3, 16777216.0]
    vectors = numpy.array(rows, dtype=numpy.float32)
    keyed = gensim.models.KeyedVectors(vector_size=5)
    keyed.add_vectors(words, vectors)
    with tempfile.TemporaryDirectory() as folder:
        for name, binary in (("gensim.verified.txt", False), ("gensim.verified.bin", True)):
            path = f"{folder}/{name}"
            keyed.save_word2vec_format(path, binary=binary)
            again = gensim.models.KeyedVectors.load_word2vec_format(path, binary=binary)
            assert again.index_to_key == words and again.vectors.tobytes() == vectors.tobytes()
            yield name, pathlib.Path(path).read_bytes()
    yield "gensim.verified.json", document(vectors_of(words, vectors))


def undecodable_words():
    """Words as bytes: some are valid UTF-8, most are cut within a character, in another encoding, or forms that UTF-8 forbids."""
    yield from ("the", "naïve", "日本語", "end")
    yield from (text.encode("utf-8")[:-cut] for text in ("né", "語語", "a😀", "😀😀") for cut in range(1, len(text[-1].encode("utf-8"))))
    yield from (text.encode("latin-1") for text in ("é", "naïve", "ÿþ", "Âé", "mañana"))
    yield from (bytes.fromhex(digits) for digits in (
        "80", "bf", "8080", "c080", "c1bf", "e0808a", "e09f80", "eda080", "edbfbf", "eda080edb080", "f0808080", "f08f8080", "f4908080", "f5808080",
        "f8888080", "fc84808080", "fe", "ff", "fffe", "c3", "e2", "e282", "f0", "f09f", "f09f98", "61c3", "61c362", "e282c3a9", "f09f98c3", "e28261",
        "f09f61", "c3c3c3", "e2e282e2", "80e282ac80", "ed61", "edaf", "f461", "f49061", "e06180", "efbfbd", "efbf", "efbbbf"))
    generator = random.Random(11)
    for _ in range(300):
        yield bytes(generator.choice((0x41, 0x80, 0x8F, 0x9F, 0xA0, 0xBF, 0xC2, 0xC3, 0xE0, 0xE2, 0xED, 0xEF, 0xF0, 0xF1, 0xF4, 0xF5, 0xFF))
                    for _ in range(generator.randint(1, 7)))


def undecodable_goldens():
    import gensim
    import numpy

    words = [word.encode("utf-8") if isinstance(word, str) else word for word in undecodable_words()]
    words = [word for word in words if word.decode("utf-8", "replace").strip()]
    vectors = numpy.array([[index, -index / 8] for index in range(len(words))], dtype=numpy.float32)
    header = f"{len(words)} 2\n".encode("ascii")
    text = header + b"".join(word + f" {a!r} {b!r}\n".encode("ascii") for word, (a, b) in zip(words, vectors.tolist()))
    binary = header + b"".join(word + b" " + vector.astype("<f4").tobytes() + b"\n" for word, vector in zip(words, vectors))
    answers = []
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (("undecodable.verified.txt", text), ("undecodable.verified.bin", binary)):
            path = pathlib.Path(folder, name)
            path.write_bytes(content)
            read = gensim.models.KeyedVectors.load_word2vec_format(path, binary=name.endswith(".bin"), unicode_errors="replace")
            words_read = [word for word in read.index_to_key if word is not None]  # gensim 4.2.0 makes room for duplicates too
            assert read.index_to_key[:len(words_read)] == words_read and len(set(words_read)) == len(words_read)
            answers.append(vectors_of(words_read, read.vectors[:len(words_read)]))
            yield name, content
    assert answers[0] == answers[1]
    valid = [index for index, word in enumerate(words) if word.decode("utf-8", "ignore").encode("utf-8") == word]
    first = {words[index].decode("utf-8"): index for index in reversed(valid)}
    kept = sorted(first.values())
    yield "undecodable.verified.json", document({
        "rows": len(words), "replace": answers[0],
        "skip": {"skipped": len(words) - len(valid), **vectors_of([words[index].decode("utf-8") for index in kept], vectors[kept])}})


def vectors_of(words, vectors):
    return {"words": list(words), "shape": list(vectors.shape), "float32": vectors.astype("<f4").tobytes().hex()}


# safetensors


def safetensors_goldens():
    import safetensors.torch
    import torch

    def numbers(dtype, *shape):
        count = torch.tensor(shape).prod().item()
        return (torch.arange(count, dtype=torch.float64) * 1.25 - 2).reshape(shape).to(dtype)

    everything = {name: numbers(getattr(torch, name), 2, 3) for name in (
        "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "complex64")}
    everything["uint8"] = torch.tensor([0, 1, 254, 255], dtype=torch.uint8)
    everything["bool"] = torch.tensor([[True, False], [False, True]])
    everything["scalar"] = torch.tensor(-0.0)
    everything["empty"] = torch.zeros(0, 5)
    everything["a name, \"quoted\\\", /with/ ünï😀\n\t\x01"] = torch.tensor([float("nan"), float("inf"), -float("inf"), 1e-45])
    everything["\uffee before the astral plane"] = torch.tensor([1], dtype=torch.int8)
    everything["\U00010000 in it"] = torch.tensor([2], dtype=torch.int8)
    yield from safetensors_file("everything", everything, {"format": "pt, \"ü😀\"\n"})

    others = {name: torch.arange(1, 5, dtype=torch.uint8).view(getattr(torch, name)) for name in (
        "uint16", "uint32", "float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu", "float8_e4m3fnuz", "float8_e5m2fnuz", "float4_e2m1fn_x2")}
    others["uint64"] = torch.arange(1, 9, dtype=torch.uint8).view(torch.uint64)
    others["float32"] = numbers(torch.float32, 2)
    yield from safetensors_file("others", others, None)

    shards = {"sharded-00001-of-00002": {"words.weight": numbers(torch.float32, 4, 3), "words.ids": numbers(torch.int64, 4)},
              "sharded-00002-of-00002": {"out.weight": numbers(torch.float16, 3, 2)}}
    for name, tensors in shards.items():
        yield f"{name}.verified.safetensors", safetensors.torch.save(tensors, {"format": "pt"})
    weight_map = {tensor: f"{shard}.verified.safetensors" for shard, tensors in shards.items() for tensor in sorted(tensors)}
    size = sum(tensor.numel() * tensor.element_size() for tensors in shards.values() for tensor in tensors.values())
    yield "sharded.safetensors.index.verified.json", document({"metadata": {"total_size": size}, "weight_map": weight_map})


    class Tied(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.second, self.embed, self.head, self.other = (torch.nn.Embedding(5, 3) for _ in range(4))
            with torch.no_grad():
                self.embed.weight.copy_(numbers(torch.float32, 5, 3))
                self.other.weight.copy_(numbers(torch.float32, 5, 3) + 1)
            self.second.weight = self.head.weight = self.embed.weight

    with tempfile.TemporaryDirectory() as folder:
        # safetensors writes the texts in no fixed order. The golden has them sorted.
        safetensors.torch.save_model(Tied(), f"{folder}/tied.safetensors")
        content = pathlib.Path(folder, "tied.safetensors").read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8:8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode("ascii").ljust(length)
    assert len(text) == length
    yield "tied.verified.safetensors", content[:8] + text + content[8 + length:]


def safetensors_file(name, tensors, metadata):
    import safetensors.torch

    content = safetensors.torch.save(tensors, metadata)
    yield f"{name}.verified.safetensors", content
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "file.safetensors")
        path.write_bytes(content)
        yield f"{name}.verified.json", document(description(path))


def description(path):
    import safetensors
    import torch

    with safetensors.safe_open(path, framework="pt") as file:
        tensors = {}
        for name in sorted(file.keys()):
            tensor = file.get_tensor(name)
            bits = tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes().hex() if tensor.numel() else ""
            tensors[name] = {"dtype": file.get_slice(name).get_dtype(), "shape": list(tensor.shape), "bits": bits}
        return {"metadata": file.metadata(), "tensors": tensors}


def document(content):
    return (json.dumps(content, indent=1) + "\n").encode("ascii")


def goldens():
    for library, modules, make in (
        ("numpy", ["numpy"], numpy_goldens),
        ("gensim", ["numpy", "gensim"], gensim_goldens),
        ("gensim", ["numpy", "gensim"], undecodable_goldens),
        ("safetensors", ["torch", "safetensors"], safetensors_goldens),
    ):
        try:
            for module in modules:
                __import__(module)
        except ImportError:
            print(f"python3-{library} is not installed: its goldens are left alone", file=sys.stderr)
            continue
        yield from make()


def main(arguments):
    if arguments[:1] == ["describe"] and len(arguments) == 2:
        sys.stdout.write(document(description(arguments[1])).decode("ascii"))
        return 0
    if arguments[:1] == ["words"] and len(arguments) == 3:
        import gensim

        read = gensim.models.KeyedVectors.load_word2vec_format(
            arguments[2], binary=arguments[1] == "binary", no_header=arguments[1] == "glove")
        sys.stdout.write(document(vectors_of(read.index_to_key, read.vectors)).decode("ascii"))
        return 0
    if arguments not in (["write"], ["check"]):
        print("usage: pretrained.py write | check | describe FILE | words FORMAT FILE", file=sys.stderr)
        return 2
    different = []
    for name, content in goldens():
        if arguments == ["write"]:
            (DATA / name).write_bytes(content)
        elif not (DATA / name).exists() or (DATA / name).read_bytes() != content:
            different.append(name)
    if different:
        print(f"not what Python's libraries give: {', '.join(different)}", file=sys.stderr)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
