"""`multiply_adds`: how many multiplications, each with an addition, one operator takes; by its shapes alone.

What is counted is what papers count: products of matrices, and what can be written as one. Elementwise operators, sums,
pooling, normalization and looking up rows count 0.
"""

from math import isqrt, prod
import re
from typing import Any, Callable, Dict, Optional, Sequence, Tuple

Shape = Tuple[Optional[int], ...]
_Rule = Callable[[Dict[str, str], Sequence[Any], Sequence[Any]], int]

_PRODUCT = re.compile(
    r"conv|dot|matmul|gemm|einsum|linalg|rnn|correlation|kron|khatri|custom|foreach|while_?loop|cond$|fft|attention|selfatt|sldwinatten|"
    r"encdec|fullyconnected|solve|svd|qr$|eigh?$|eigvalsh?$|cholesky|(?<!erf)inv$|lstsq|sgmkldnn|sgonednn|cachedop",
)
_NO_PRODUCT = re.compile(r"convert|paramconcat|linalg(make|extract|sumlogdiag|det|slogdet)")


def multiply_adds(operator: Any) -> Optional[int]:
    """The multiply-adds of one `Operator`; None where they are not known: a size is not, or `is_product` has no rule.

    Examples
    --------
    >>> from gluon_initkit._mxnet.inference import Operator
    >>> multiply_adds(Operator("FullyConnected", {}, ((2, 5), (4, 5), (4,)), ((2, 4),), "0"))
    40
    """
    rule = _RULES.get(_plain(operator.name))
    if rule is None:
        return None if is_product(operator) else 0
    try:
        return rule(operator.attributes, operator.inputs, operator.outputs)
    except (TypeError, IndexError, KeyError):  # a shape or a size is not known
        return None


def is_product(operator: Any) -> bool:
    """Whether an operator's name says that it multiplies matrices, or runs code that may do so."""
    name = _plain(operator.name)
    return name in _RULES or bool(_PRODUCT.search(name) and not _NO_PRODUCT.search(name))


def _plain(name: str) -> str:
    """An operator's name without what tells MXNet's namespaces apart: ``fullyconnected``."""
    return re.sub(r"^_?(npi_|npx_|np_|contrib_|sparse_)?", "", name).replace("_", "").lower()


def _true(attributes: Dict[str, str], key: str) -> bool:
    return attributes.get(key, "False") in ("True", "true", "1")


def _convolution(weight: int, moved: str) -> _Rule:
    """By the number of the input that is the weight, whose filters are applied at each place of what is `moved`."""

    def rule(attributes: Dict[str, str], inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
        return prod(outputs[0] if moved == "output" else inputs[0]) * prod(inputs[weight][1:])

    return rule


def _matrices(attributes: Dict[str, str], inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    """Of `batch_dot`, `dot`, `matmul` and `gemm`: each number of the output is a sum over what both have in common."""
    first = inputs[0]
    if attributes.get("axis", "-2") != "-2":
        raise KeyError("axis")
    return prod(outputs[0]) * first[-2 if _true(attributes, "transpose_a") else -1]


def _dot(attributes: Dict[str, str], inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    """Of the classic `dot`, which sums over the first axis of what is transposed, and NumPy's."""
    if () in inputs:  # a number times an array
        return 0
    return prod(outputs[0]) * inputs[0][0 if _true(attributes, "transpose_a") else -1]


def _tensordot(attributes: Dict[str, str], inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    """Of sizes m*k, k*n and m*n the multiply-adds are m*k*n, whichever axes k is made of."""
    return isqrt(prod(inputs[0]) * prod(inputs[1]) * prod(outputs[0]))


def _einsum(attributes: Dict[str, str], inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    """Of two arrays with at least one sum: once for each combination of all indices."""
    terms, _, answer = attributes["subscripts"].replace(" ", "").partition("->")
    names = terms.split(",")
    if "..." in terms or "->" not in attributes["subscripts"] or len(names) > 2:
        raise KeyError("subscripts")
    sizes = {name: size for term, shape in zip(names, inputs) for name, size in zip(term, shape)}
    return prod(sizes.values()) if len(names) == 2 and set(sizes) - set(answer) else 0


def _rnn(attributes: Dict[str, str], inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    """Of a fused recurrent layer: in each step, each direction of each layer multiplies its input and its state."""
    steps, batch, width = inputs[0]
    gates = {"lstm": 4, "gru": 3}.get(attributes["mode"], 1)
    hidden, directions = int(attributes["state_size"]), 1 + _true(attributes, "bidirectional")
    projection = attributes.get("projection_size", "None")
    state = hidden if projection == "None" else int(projection)
    total = 0
    for _ in range(int(attributes["num_layers"])):
        total += directions * (gates * hidden * (width + state) + (0 if projection == "None" else hidden * state))
        width = directions * state
    return steps * batch * total


def _attention(interleaved: int, parts: int, by_scores: str) -> _Rule:
    """Of GluonNLP's attention, where `parts` arrays lie in one input; a score is a sum over the units of one head."""

    def rule(attributes: Dict[str, str], inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
        units = inputs[interleaved][-1] // parts // int(attributes["heads"])
        return prod(outputs[0] if by_scores == "output" else inputs[1]) * units

    return rule


_RULES: Dict[str, _Rule] = {
    "convolution": _convolution(1, "output"),
    "deconvolution": _convolution(1, "input"),
    "deformableconvolution": _convolution(2, "output"),
    "modulateddeformableconvolution": _convolution(3, "output"),
    "fullyconnected": _convolution(1, "output"),
    "batchdot": _matrices,
    "matmul": _matrices,
    "linalggemm": _matrices,
    "linalggemm2": _matrices,
    "dot": _dot,
    "tensordot": _tensordot,
    "tensordotintaxes": _tensordot,
    "einsum": _einsum,
    "rnn": _rnn,
    "interleavedmatmulselfattqk": _attention(0, 3, "output"),
    "interleavedmatmulselfattvalatt": _attention(0, 3, "input"),
    "interleavedmatmulencdecqk": _attention(1, 2, "output"),
    "interleavedmatmulencdecvalatt": _attention(0, 2, "input"),
}
