"""The demo: a real network, plain MXNet beside the kit. One section a module, in the order of a user's questions."""

from typing import Any

import numpy
from rich.console import Console
from rich.table import Table

from . import Initializer, Sharing, Statistics, explain, fingerprint, initialize, inspect, materialize, plan
from ._mxnet import mx
from ._mxnet.arrays import layer_array

__all__ = ["demo"]


class _Plain(mx.init.Initializer):
    """A custom initializer as a Gluon tutorial writes it: biases are to start at 0.1."""

    def _init_weight(self, desc: Any, arr: Any) -> None:
        arr[:] = numpy.random.uniform(-0.05, 0.05, arr.shape)

    def _init_bias(self, desc: Any, arr: Any) -> None:
        arr[:] = 0.1


# The same two hooks; nothing but the base class changes.
class _Corrected(Initializer):
    _init_weight = vars(_Plain)["_init_weight"]
    _init_bias = vars(_Plain)["_init_bias"]


_Plain.__name__ = _Corrected.__name__ = "MyInit"


def demo() -> None:
    """Print the demo."""
    console = Console()
    image = layer_array(mx.nd.random.uniform(shape=(1, 3, 224, 224)))
    console.rule("ResNet-18 with a custom head; MyInit wants every bias at 0.1")
    reports = []
    for init in (_Plain(), _Corrected()):
        net = _network()
        net.initialize(init)
        net(image)
        reports.append(inspect(net, stats=True))
    table = Table("parameter", "plain MXNet: mx.init.Initializer", "the kit: ik.Initializer")
    for path in ("0.0.weight", "0.1.gamma", "0.1.running_var", "1.0.weight", "1.0.bias", "1.1.bias"):
        plain, kit = (_range(report[path].stats) for report in reports)
        table.add_row(path, plain, kit, style="bold" if plain != kit else "")
    console.print(table)
    console.print("Plain Gluon never calls _init_bias; with the corrected base the same class does what it says.\n")

    console.rule("ik.plan(net, MyInit()): known before anything is initialized")
    console.print(plan(_network(), _Corrected()))

    console.rule("ik.initialize(net, mx.init.Xavier(), seed=7): the same bits, however the network is made")
    for text, hybrid, ctx in (("as it is", False, [mx.cpu()]), ("hybrid, two contexts", True, [mx.cpu(0), mx.cpu(1)])):
        net = _network()
        net.hybridize(hybrid)
        report = initialize(net, mx.init.Xavier(), ctx, seed=7)
        for device in ctx:
            net(image.copyto(device))
        console.print(f"{text:>26}: {fingerprint(net)[:32]}..., {report.seconds:.2f} s")

    console.rule("ik.inspect(net, stats=True): what every parameter is, folded; nothing is changed by looking")
    net[1][1].bias.data()[3] = float("nan")  # something to find
    console.print(inspect(net, stats=True).to_text(depth=1, width=console.width), highlight=False, markup=False)

    console.rule("ik.explain(net, shape): what is deferred, and what to write instead; ik.materialize completes it")
    net = _network()
    initialize(net, mx.init.Xavier(), seed=7)
    explained = explain(net, image.shape)
    console.print(f"{len(explained.rows)} parameters are deferred, for instance", *explained.fixes[-2:], sep="\n  ")
    materialize(net, image.shape)
    console.print(f"materialized without a forward pass: {fingerprint(net)[:32]}..., the same bits as above")

    console.rule("ik.Sharing(net): two residual blocks share their convolutions, checked before anything is changed")
    console.print(Sharing(net).tie_blocks("0.4.0.body", "0.4.1.body", only="weight").apply())
    console.print(f"tied, and still an answer: finite {bool(numpy.isfinite(net(image).asnumpy()).all())}")


def _network() -> Any:
    """ResNet-18's features and a head of two layers, whose input sizes are deferred."""
    net = mx.gluon.nn.HybridSequential()
    head = mx.gluon.nn.HybridSequential()
    head.add(mx.gluon.nn.Dense(64, activation="relu"), mx.gluon.nn.Dense(10))
    net.add(mx.gluon.model_zoo.vision.resnet18_v1().features, head)
    return net


def _range(stats: Statistics) -> str:
    return f"all {stats.min:.4g}" if stats.min == stats.max else f"{stats.min:.4g} .. {stats.max:.4g}"
