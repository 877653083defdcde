"""Real networks: materialized, after a forward pass, and built without deferral, they hold the same bits.

The third way is left out for the largest, whose arrays take seconds to fill; it is `initialize`'s own promise. Of the
vision zoo one network of each kind is tried, and all of them where GLUON_INITKIT_LONG is set.
"""

import re

import gluon_initkit as ik
import mxnet as mx
import numpy as np
import pytest
from vocabulary import rounds
import zoo_networks as networks

pytestmark = pytest.mark.slow

VISION = rounds(networks.KINDS, networks.VISION)
BUILDERS = [pytest.param(lambda name=name: networks.zoo(name), id=name) for name in VISION]
BUILDERS += [pytest.param(build, id=build.__name__) for build in networks.SERIES]
BUILDERS += [pytest.param(build, id=build.__name__, marks=pytest.mark.zoo) for build in networks.LIBRARIES]
LARGE = 100 << 20


def test_every_network_of_the_vision_zoo_is_among_them():
    with pytest.raises(ValueError, match="not supported") as caught:
        mx.gluon.model_zoo.vision.get_model("")
    offered = {re.sub(r"[._]", "", name) for name in str(caught.value).split("\n\t")[1:]}
    assert offered == {name.replace("_", "") for name in networks.VISION} and len(offered) == 34


def built(build):
    """A network without gradients, which no bit of the question depends on."""
    net, inputs = build()
    for param in net.collect_params().values():
        param.grad_req = "null"
    return net, inputs


def initialized(net):
    # MXNet's own initializer is the cheapest; GluonCV's segmenters initialize their heads themselves.
    return ik.initialize(net, mx.init.Uniform(), seed=7, force_reinit=True)


def same(net, other):
    return all(np.array_equal(*(each._data[0].asnumpy() for each in pair))
               for pair in zip(net.collect_params().values(), other.collect_params().values()))  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("build", BUILDERS)
def test_the_same_bits_each_way(build):
    net, inputs = built(build)
    initialized(net)
    pending = {row.path for row in ik.explain(net)}
    report = ik.materialize(net, *inputs)
    assert not report.forward
    assert {row.path for row in report if row.state == "materialized"} == pending

    forward, again = built(build)
    initialized(forward)
    forward(*again)
    mx.nd.waitall()
    assert same(forward, net)
    if report.bytes > LARGE:
        return
    del forward
    eager, _ = built(build)
    for param, row in zip(eager.collect_params().values(), report):
        param.shape = row.shape
    assert all(row.state == "initialized" for row in initialized(eager))
    assert same(eager, net)
