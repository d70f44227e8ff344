"""The words of the printing scenarios: a tensor, and the text that print(tensor) writes."""

from cases import tensor
from steps import Scenario, do
from values import value


def printed(name, proves, given, layout=None, before=()):
    return Scenario(name, proves, [*before, tensor("t", given, layout), do.print("t")])


def listed(proves, dtype, nested, requires_grad=False):
    """A tensor whose numbers are the name of the scenario."""
    text = str(nested).replace("'", "")
    return printed(f"{dtype} {text}{' that requires grad' if requires_grad else ''}", proves,
                   value(dtype, nested, requires_grad=requires_grad))
