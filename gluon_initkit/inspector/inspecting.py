"""`inspect` (placeholder): what the README's examples need of it."""

from typing import Any

import numpy

from .._mxnet import holds_data, host_values, mx
from ..naming import describe
from .records import Finding, ParameterRecord
from .report import Report
from .statistics import statistics_of

__all__ = ["inspect"]


class _Live:
    def __init__(self, params: Any) -> None:
        self.params = params

    def values(self, path: str) -> numpy.ndarray:
        return self.params[path].data().asnumpy()

    def gradient(self, path: str) -> numpy.ndarray:
        return self.params[path].grad().asnumpy()


def inspect(net: Any, *, stats: bool = False, grads: bool = False) -> Report:
    """Look at a network.

    Parameters
    ----------
    net, stats, grads

    Examples
    --------
    >>> len(inspect(mx.gluon.nn.Dense(1)))
    2
    """
    mx.nd.waitall()
    described = describe(net)
    records = [_record(param, info, stats) for param, _, info in described]
    findings = [
        Finding("nan", "error", (each.path,), f"{each.stats.nan} of {each.size} values are NaN", "see README")
        for each in records
        if each.stats and each.stats.nan
    ]
    live = _Live({info.path: param for param, _, info in described})
    return Report(tuple(records), (), (), tuple(findings), type(net).__name__, live)


def _record(param: Any, info: Any, stats: bool) -> ParameterRecord:
    known = info.shape is not None and None not in info.shape
    size = int(numpy.prod(info.shape)) if known else None
    data = holds_data(param)
    return ParameterRecord(
        path=info.path, name=info.name, role=info.role, shape=info.shape, dtype=info.dtype, aliases=info.aliases,
        block=info.block.__name__, block_path=info.block_path, state=info.state, size=size,
        bytes=size and size * numpy.dtype(info.dtype).itemsize, contexts=("cpu(0)",), grad_req=param.grad_req,
        stats=statistics_of(host_values(data[0])) if stats and data else None,
    )  # fmt: skip
