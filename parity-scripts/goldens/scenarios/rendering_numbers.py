"""How print(tensor) writes each number, and how the numbers of a tensor share one style and one width."""

import itertools

from cases import distinct
from encoding import FLOATS, INTEGERS
from printing import listed

ABOUT = "A number prints with PyTorch's digits, dots and exponents, in the style and width that its tensor's numbers share."

INF, NAN = "inf", "nan"
LIMITS = {"uint8": (0, 255), "int8": (-128, 127), "int16": (-32768, 32767), "int32": (-2**31, 2**31 - 1),
          "int64": (-2**63, 2**63 - 1)}


def integers_and_bools():
    for dtype in INTEGERS:
        low, high = LIMITS[dtype]
        for nested in (7, low, [low, high], [0], [1, 20, 100], [[1, 2], [30, 4]], [[[5]]], [[high, 0, 1], [1, low, 9]],
                       [low, 0] * 9):
            yield listed("R2 R13 R15", dtype, nested)
    for nested in ([1, -20, 120], [-1], -5, [[-1, 2], [3, -40]], [0, -1, 0], [-9, 9]):
        for dtype in INTEGERS[1:]:
            yield listed("R2", dtype, nested)
    for nested in (True, False, [True], [False, False], [True, True], [True, False], [[True, False], [False, True]],
                   [[[True], [False]]], [True] * 14, [False] * 12, [False] * 11 + [True], [True] * 13):
        yield listed("R2 R9", "bool", nested)


def without_a_number():
    """Tensors without a finite number other than zero, where nothing is aligned."""
    for nested in ([0, 0], ["-0", 0], [NAN, NAN], [0, "-inf"], [INF, "-inf", NAN, 0, "-0"], [INF], [[NAN, 0], ["-0", INF]],
                   0, "-0", NAN, INF, "-inf", [0] * 20, [NAN] * 17):
        for dtype in FLOATS:
            yield listed("R3 R13", dtype, nested)


def whole_numbers():
    for nested in ([-1, 20], [NAN, 1], [INF, "-inf", 10], [1, 2, 3], ["-0", 5], [[100, 2], [-3, 0]], 3, -17, [1000, 1],
                   [256, NAN], [1], [-1], [[1], [-100]], [NAN, "-inf", -1]):
        for dtype in FLOATS:
            yield listed("R4 R7 R13", dtype, nested)


def fixed_and_scientific():
    for dtype in ("float32", "float64"):
        for nested in ([0.001, 1], [0.0009, 1], [1, 1000], [1, 1001], [1000, 0.999], [1500.5, 1.5], [1000.5, 1.5], [1e8],
                       [1.1e8], [100000008], [1e8, 1e5], [1e8, 99999], [1e-4], [1.01e-4], [9.9e-5], [1e-4, 0.05],
                       [0.1, 1e-4, 0.1001],
                       [-1e8, 1e6], [-1.1e8], [-1e-5, 0.001], [1e-5], [-2.5e-7], [123456.789], [99999.5, 100], [1e30, 1e30],
                       [1e-30, -1e-30], 1.5, 1e-5, 1e9, 0.1, -2.25, 12345.678, [3.4028235e38], [1e-45], [1.1754944e-38],
                       [16777216, 16777217], [0.5, 500.5], [0.5, 499.5]):
            yield listed("R5 R6 R13", dtype, nested)
    for nested in ([1e100, 1], [1e-100], [1e100], [-1e-300, 1e300], [5e-324], [1.7976931348623157e308],
                   [-2.2250738585072014e-308], [1e99, 1e100], [9.99999e99], 1e200, [0.1 + 0.2, 1e-17]):
        yield listed("R5 R6", "float64", nested)
    for nested in ([65504], [6e-8], [6e-8, 1], [65504, 66], [65504, 65], [1000, 1], [1001, 1], [0.1, 0.2, 0.3], [1e-4],
                   [1.001e-4], 2.5, [60000, 0.5], [0.0999, 99.9]):
        yield listed("R5 R8", "float16", nested)
    for nested in ([3.38e38], [1e-40], [1e8], [1.5e8], [1e-4], [0.1, 0.2, 0.3], [1000, 1], [1004, 1], [2.56e5, 300], 2.5,
                   [1e30, -1e29]):
        yield listed("R5 R8", "bfloat16", nested)


def beside_other_numbers():
    """Zeros, nan and infinities take the style and the width of the others and never widen them."""
    for numbers in ([1.5], [1e-7], [1], [100], [-12.25], [-1e-5], [1e9], [12345.5]):
        for more in ([0], ["-0"], [NAN], [INF, "-inf"], [0, NAN, INF, "-inf", "-0"]):
            yield listed("R7", "float32", more[:1] + numbers + more[1:])
    for dtype in ("float64", "float16", "bfloat16"):
        for nested in ([0, 1.5, NAN], ["-0", 1e-5], [INF, 0.25, "-inf"], [[NAN, 1e-6], [0, "-inf"]]):
            yield listed("R7", dtype, nested)


def rounding():
    """The exact binary value is rounded, ties to the even digit."""
    ties = ([2.03125], [0.03125], [0.09375], [1.03125e-5], [0.99999], [9.99996], [99.99995], [0.00005, 0.04], [0.00015, 0.1],
            [0.99995, 9.5], [1234.5678], [-2.03125, 0.09375], [9.99995e-6], [9.99996e-6], [1.00005e-5], [0.50005], [0.12345],
            [2.5, 0.5], [1.00005], [31.00005, 0.15625], [3.0517578125e-05], [65536.03125], [0.0001, 0.00015])
    for nested, dtype in itertools.product(ties, ("float32", "float64")):
        yield listed("R8", dtype, nested)
    for nested, dtype in itertools.product(([0.03125], [0.09375, 2.03125], [9.99], [0.1, 1.7]), ("float16", "bfloat16")):
        yield listed("R8", dtype, nested)


def scenarios():
    yield from distinct(itertools.chain(integers_and_bools(), without_a_number(), whole_numbers(), fixed_and_scientific(),
                                        beside_other_numbers(), rounding()))
