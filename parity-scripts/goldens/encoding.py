"""Converts tensors and numbers to the goldens' text and back, bit for bit."""

import math
import struct

import torch

# dtype: (struct code of the number, struct code of its bits, bits of the default NaN, integer dtype of the same width).
# struct has no bfloat16, which is the upper half of a float32.
FLOATS = {
    "float16": ("<e", "<H", 0x7E00, torch.int16),
    "bfloat16": (None, "<H", 0x7FC0, torch.int16),
    "float32": ("<f", "<I", 0x7FC00000, torch.int32),
    "float64": ("<d", "<Q", 0x7FF8000000000000, torch.int64),
}
INTEGERS = ("uint8", "int8", "int16", "int32", "int64")
DTYPES = {word: getattr(torch, word) for word in (*FLOATS, *INTEGERS, "bool")}
WORDS = {dtype: word for word, dtype in DTYPES.items()}


def float_bits(number, dtype):
    """The bits of `number` rounded to `dtype`, ties to even."""
    code, bits_code, nan, _ = FLOATS[dtype]
    if math.isnan(number):
        return nan
    if dtype == "bfloat16":
        wide = float_bits(number, "float32")
        return (wide + 0x7FFF + ((wide >> 16) & 1)) >> 16
    try:
        packed = struct.pack(code, number)
    except OverflowError:  # struct refuses a number that rounds to infinity
        packed = struct.pack(code, math.copysign(math.inf, number))
    return struct.unpack(bits_code, packed)[0]


def float_of_bits(bits, dtype):
    code, bits_code, _, _ = FLOATS[dtype]
    if dtype == "bfloat16":
        return float_of_bits(bits << 16, "float32")
    return struct.unpack(code, struct.pack(bits_code, bits))[0]


def text_of_bits(bits, dtype):
    """The shortest text that reads back to the same bits."""
    number = float_of_bits(bits, dtype)
    if math.isnan(number):
        width = 2 * struct.calcsize(FLOATS[dtype][1])
        return "nan" if bits == FLOATS[dtype][2] else f"nan:{bits:0{width}x}"
    if math.isinf(number):
        return "inf" if number > 0 else "-inf"
    for digits in range(1, 18):
        text = f"{number:.{digits}g}"
        if float_bits(float(text), dtype) == bits:
            break
    # "%g" writes 100 as 1e+02 when one digit suffices; repr of the same decimal does not.
    return repr(float(text)).removesuffix(".0")


def bits_of_text(text, dtype):
    return int(text[4:], 16) if text.startswith("nan:") else float_bits(float(text), dtype)


def text_of(number, dtype):
    if dtype == "bool":
        return "true" if number else "false"
    if isinstance(number, str):  # a NaN with its bits
        number = bits_of_text(number, dtype)
        return text_of_bits(number, dtype)
    return text_of_bits(float_bits(number, dtype), dtype) if dtype in FLOATS else str(int(number))


def rows_of(texts, shape):
    """One string for each row of the last dimension."""
    if not texts:
        return []
    width = shape[-1] if shape else 1
    return [" ".join(texts[at:at + width]) for at in range(0, len(texts), width)]


def encode_tensor(tensor):
    shape = list(tensor.shape)
    if tensor.layout == torch.sparse_coo:
        value = {"layout": "sparse_coo", "dtype": WORDS[tensor.dtype], "shape": shape}
        if tensor.requires_grad:
            value["requires_grad"] = True
        plain = tensor.detach()
        return {**value, "coalesced": plain.is_coalesced(),
                "indices": encode_tensor(plain._indices()), "values": encode_tensor(plain._values())}
    dtype = WORDS[tensor.dtype]
    value = {"dtype": dtype, "shape": shape}
    if tensor.requires_grad:
        value["requires_grad"] = True
    if not tensor.is_contiguous():
        value["stride"] = list(tensor.stride())
    plain = tensor.detach().contiguous()
    if dtype in FLOATS:
        integer = FLOATS[dtype][3]
        mask = (1 << 8 * plain.element_size()) - 1
        texts = [text_of_bits(bits & mask, dtype) for bits in plain.view(integer).flatten().tolist()]
    else:
        texts = [text_of(number, dtype) for number in plain.flatten().tolist()]
    return {**value, "data": rows_of(texts, shape)}


def texts_of(value):
    """The elements of a dense tensor in order, in whichever way it is written."""
    if "arange" in value:
        start, step = value["arange"]
        return [text_of(start + step * at, value["dtype"]) for at in range(math.prod(value["shape"]))]
    if "runs" in value:
        return [text for times, texts in value["runs"] for text in texts.split() * times]
    return " ".join(value["data"]).split()


def decode_sparse(value):
    indices, values = (decode_tensor(value[part]) for part in ("indices", "values"))
    tensor = torch.sparse_coo_tensor(indices, values, value["shape"])
    tensor = tensor.coalesce() if value["coalesced"] else tensor
    assert tensor.is_coalesced() == value["coalesced"], "fewer than two entries are always coalesced"
    return tensor


def decode_tensor(value):
    """A row-major or sparse tensor that does not require a gradient. The replay gives it its layout."""
    if "layout" in value:
        return decode_sparse(value)
    dtype, shape, texts = value["dtype"], value["shape"], texts_of(value)
    assert len(texts) == math.prod(shape), value
    if dtype in FLOATS:
        integer = FLOATS[dtype][3]
        bits = [bits_of_text(text, dtype) for text in texts]
        width = 8 * torch.empty(0, dtype=integer).element_size()
        signed = [number - (1 << width) if number >> (width - 1) else number for number in bits]
        return torch.tensor(signed, dtype=integer).view(DTYPES[dtype]).reshape(shape)
    numbers = [text == "true" if dtype == "bool" else int(text) for text in texts]
    return torch.tensor(numbers, dtype=DTYPES[dtype]).reshape(shape)


def encode_number(number):
    """JSON has no infinity and no NaN, so they become strings."""
    if isinstance(number, float) and not math.isfinite(number):
        return text_of(number, "float64")
    return number


def decode_number(number):
    return float(number) if isinstance(number, str) else number


def encode(result):
    if isinstance(result, torch.Tensor):
        return encode_tensor(result)
    if isinstance(result, torch.dtype):
        return WORDS[result]
    if isinstance(result, dict):
        return {key: encode(entry) for key, entry in result.items()}
    if isinstance(result, (list, tuple)):  # torch.Size too
        return [encode(entry) for entry in result]
    return encode_number(result)
