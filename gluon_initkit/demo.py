"""The demo: plain MXNet beside the kit on a real network, one idea in each section."""

from typing import Any

import numpy
from rich.console import Console

from . import Initializer, Sharing, explain, fingerprint, initialize, inspect, materialize, plan
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

_NEXT = """\
  >>> import gluon_initkit as ik
  >>> ik.initialize(net, mx.init.Xavier(), seed=7)   in place of net.initialize
  >>> ik.inspect(net, stats=True)                    what is in your network
  $ gluon-initkit inspect yours.params --stats       what is in your file"""


def demo() -> None:
    """Print the demo."""
    console = Console(highlight=False)
    image = layer_array(mx.nd.random.uniform(shape=(1, 3, 224, 224)))

    console.rule("ResNet-18 with a head of two layers; MyInit wants every bias at 0.1")
    for base, init in (("plain MXNet, mx.init.Initializer", _Plain()), ("the kit, ik.Initializer", _Corrected())):
        net = _network()
        net.initialize(init)
        net(image)
        bias = inspect(net, stats=True)["1.1.bias"].stats
        console.print(f"  {base + ':':34} 1.1.bias is all {bias.min:.4g}")
    console.print("Plain Gluon never calls _init_bias. The kit's base class calls every hook.\n")

    console.rule("ik.plan(net, MyInit()): known before anything is initialized")
    console.print(plan(_network(), _Corrected()))

    console.rule("ik.initialize(net, Xavier(), seed=7): the same bits, however it is made")
    for text, hybrid, ctx in (("as it is", False, [mx.cpu()]), ("hybrid, two contexts", True, [mx.cpu(0), mx.cpu(1)])):
        net = _network()
        net.hybridize(hybrid)
        report = initialize(net, mx.init.Xavier(), ctx, seed=7)
        for device in ctx:
            net(image.copyto(device))
        console.print(f"  {text:>20}: {fingerprint(net)[:32]}..., {report.seconds:.2f} s")

    console.rule("ik.inspect(net, stats=True)['1']: what is in it, and what is wrong")
    for array in net[1][1].bias.list_data():
        array[3] = float("nan")  # something to find
    console.print(inspect(net, stats=True)["1"])

    console.rule("ik.explain(net, (1, 3, 224, 224)): what is deferred, what to write")
    net = _network()
    initialize(net, mx.init.Xavier(), seed=7)
    explained = explain(net, image.shape)
    console.print(f"  {len(explained.rows)} parameters are deferred, for instance")
    console.print(*explained.fixes[-2:], sep="\n", soft_wrap=True)
    materialize(net, image.shape)
    console.print(f"  ik.materialize: {fingerprint(net)[:32]}..., without a forward pass\n")

    console.rule("ik.Sharing(net): two residual blocks share their convolutions")
    console.print(Sharing(net).tie_blocks("0.4.0.body", "0.4.1.body", only="weight").apply())
    console.print(f"tied, and still an answer: finite {bool(numpy.isfinite(net(image).asnumpy()).all())}\n")

    console.rule("what to type next")
    console.print(_NEXT, markup=False)


def _network() -> Any:
    """ResNet-18's features and a head of two layers, whose input sizes are deferred."""
    net = mx.gluon.nn.HybridSequential()
    head = mx.gluon.nn.HybridSequential()
    head.add(mx.gluon.nn.Dense(64, activation="relu"), mx.gluon.nn.Dense(10))
    net.add(mx.gluon.model_zoo.vision.resnet18_v1().features, head)
    return net
