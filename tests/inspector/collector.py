"""Reports of real networks without `ik.inspect`: what these tests need, in a few lines: looks are tested alone."""

from gluon_initkit._mxnet import holds_data, holds_gradients, host_values, is_constant
from gluon_initkit.inspector import BlockRecord, ParameterRecord, Report
from gluon_initkit.inspector.statistics import statistics_of
from gluon_initkit.naming import describe
import mxnet as mx
import numpy


def blocks_of(block, path=""):
    yield BlockRecord(path, type(block).__name__)
    for name, child in block._children.items():
        yield from blocks_of(child, f"{path}.{name}" if path else name)


class Live:
    def __init__(self, params):
        self.params = params

    def values(self, path):
        return self.params[path].data()

    def gradient(self, path):
        return self.params[path].grad()


def report_of(net, stats=False, grads=False, shared=(), findings=()):
    mx.nd.waitall()
    described = describe(net)
    records = tuple(record_of(param, info, stats, grads) for param, _, info in described)
    live = Live({info.path: param for param, _, info in described})
    return Report(records, tuple(blocks_of(net)), shared, findings, type(net).__name__, live)


def record_of(param, info, stats, grads):
    known = info.shape is not None and None not in info.shape
    size = int(numpy.prod(info.shape)) if known else None
    data, gradients = holds_data(param), holds_gradients(param)
    seen = statistics_of(host_values(data[0])) if stats and data else None
    grad = statistics_of(host_values(gradients[0])) if grads and gradients else None
    return ParameterRecord(
        path=info.path, name=info.name, role=info.role, shape=info.shape, dtype=info.dtype, aliases=info.aliases,
        block=info.block.__name__, block_path=info.block_path, state=info.state, size=size,
        bytes=size and size * numpy.dtype(info.dtype).itemsize, contexts=("cpu(0)",), grad_req=param.grad_req,
        lr_mult=1.0, wd_mult=1.0, stats=seen, grad_stats=grad, constant=is_constant(param),
        grad_ratio=grad.norm / seen.norm if grad and seen and seen.norm else None,
    )  # fmt: skip
