"""`multiply_adds`: how many multiplications, each with an addition, one operator takes; by its shapes alone.

What is counted is what papers count: products of matrices, and what can be written as one. Elementwise operators, sums,
pooling, normalization and looking up rows count 0.
"""

from math import isqrt, prod
import re
from typing import Any, Callable, Dict

_Rule = Callable[[Any], int]

_PRODUCT = re.compile(
    r"conv|dot|matmul|gemm|einsum|linalg|rnn|correlation|kron|khatri|custom|foreach|while_?loop|cond$|fft|attention|"
    r"selfatt|sldwinatten|encdec|fullyconnected|solve|svd|qr$|eigh?$|eigvalsh?$|cholesky|(?<!erf)inv$|lstsq|sgmkldnn|sgonednn|"
    r"cachedop",
)
_NO_PRODUCT = re.compile(r"convert|paramconcat|linalg(make|extract|sumlogdiag|det|slogdet)")


def multiply_adds(operator: Any) -> Any:
    """The multiply-adds of one `Operator`; None where they are not known: a size is not, or a product has no rule.

    Examples
    --------
    >>> from gluon_initkit._mxnet.inference import Operator
    >>> multiply_adds(Operator("FullyConnected", {}, ((2, 5), (4, 5), (4,)), ((2, 4),), "0"))
    40
    """
    # Without what tells MXNet's namespaces apart: fullyconnected.
    name = re.sub(r"^_?(npi_|npx_|np_|contrib_|sparse_)?", "", operator.name).replace("_", "").lower()
    if name not in _RULES:
        return None if _PRODUCT.search(name) and not _NO_PRODUCT.search(name) else 0
    try:
        return _RULES[name](operator)
    except (TypeError, IndexError, KeyError):  # a shape or a size is not known
        return None


def _true(operator: Any, key: str) -> bool:
    return operator.attributes.get(key, "False") in ("True", "true", "1")


def _convolution(weight: int, moved: str = "outputs") -> _Rule:
    """By the number of the input that is the weight, whose filters are applied at each place of what is `moved`."""
    return lambda operator: prod(getattr(operator, moved)[0]) * prod(operator.inputs[weight][1:])


def _matrices(operator: Any) -> int:
    """Of `batch_dot`, `matmul` and `gemm`: each number of the output is a sum over what both have in common."""
    if operator.attributes.get("axis", "-2") != "-2":
        raise KeyError("axis")
    return prod(operator.outputs[0]) * operator.inputs[0][-2 if _true(operator, "transpose_a") else -1]


def _dot(operator: Any) -> int:
    """Of the classic `dot`, which sums over the first axis of what is transposed, and NumPy's."""
    if () in operator.inputs:  # a number times an array
        return 0
    return prod(operator.outputs[0]) * operator.inputs[0][0 if _true(operator, "transpose_a") else -1]


def _tensordot(operator: Any) -> int:
    """Of sizes m*k, k*n and m*n the multiply-adds are m*k*n, whichever axes k is made of."""
    return isqrt(prod(operator.inputs[0]) * prod(operator.inputs[1]) * prod(operator.outputs[0]))


def _einsum(operator: Any) -> int:
    """Of two arrays with at least one sum: once for each combination of all indices."""
    terms, arrow, answer = operator.attributes["subscripts"].replace(" ", "").partition("->")
    names = terms.split(",")
    if "..." in terms or not arrow or len(names) > 2:
        raise KeyError("subscripts")
    sizes = {name: size for term, shape in zip(names, operator.inputs) for name, size in zip(term, shape)}
    return prod(sizes.values()) if len(names) == 2 and set(sizes) - set(answer) else 0


def _rnn(operator: Any) -> int:
    """Of a fused recurrent layer: in each step, each direction of each layer multiplies its input and its state."""
    attributes, (steps, batch, width) = operator.attributes, operator.inputs[0]
    gates = {"lstm": 4, "gru": 3}.get(attributes["mode"], 1)
    hidden, directions = int(attributes["state_size"]), 1 + _true(operator, "bidirectional")
    projection = attributes.get("projection_size", "None")
    state = hidden if projection == "None" else int(projection)
    total = 0
    for _ in range(int(attributes["num_layers"])):
        total += directions * (gates * hidden * (width + state) + (0 if projection == "None" else hidden * state))
        width = directions * state
    return steps * batch * total


def _attention(interleaved: int, parts: int, scores: Callable[[Any], Any]) -> _Rule:
    """Of GluonNLP's attention, where `parts` arrays lie in one input; a score is a sum over the units of one head."""

    def rule(operator: Any) -> int:
        units = operator.inputs[interleaved][-1] // parts // int(operator.attributes["heads"])
        return prod(scores(operator)) * units

    return rule


_RULES: Dict[str, _Rule] = {
    "convolution": _convolution(1),
    "deconvolution": _convolution(1, "inputs"),
    "deformableconvolution": _convolution(2),
    "modulateddeformableconvolution": _convolution(3),
    "fullyconnected": _convolution(1),
    **dict.fromkeys(("batchdot", "matmul", "linalggemm", "linalggemm2"), _matrices),
    "dot": _dot,
    **dict.fromkeys(("tensordot", "tensordotintaxes"), _tensordot),
    "einsum": _einsum,
    "rnn": _rnn,
    "interleavedmatmulselfattqk": _attention(0, 3, lambda operator: operator.outputs[0]),
    "interleavedmatmulselfattvalatt": _attention(0, 3, lambda operator: operator.inputs[1]),
    "interleavedmatmulencdecqk": _attention(1, 2, lambda operator: operator.outputs[0]),
    "interleavedmatmulencdecvalatt": _attention(0, 2, lambda operator: operator.inputs[1]),
}
