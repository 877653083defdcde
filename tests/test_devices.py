"""Every module on another device: a CUDA GPU where MXNet sees one, and a second CPU context everywhere."""

from pathlib import Path
import re
import tempfile

import gluon_initkit as ik
from gluon_initkit.regression import InitRegression
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import contexts, convolution, nd

# The GPU's context is made by the test: only there may it be asked for.
INITS = [mx.init.Uniform(), mx.init.Normal(), mx.init.Orthogonal(), ik.TruncatedNormal()]
DEVICES = [pytest.param("cpu", id="cpu"), pytest.param("gpu", id="gpu", marks=pytest.mark.gpu)]


@pytest.fixture(params=DEVICES)
def device(request):
    return mx.gpu(0) if request.param == "gpu" else mx.cpu(1)


def network(known=True):
    net = nn.HybridSequential()
    net.add(convolution(nn.Conv2D, 8, 3, in_channels=3 if known else 0), nn.BatchNorm(in_channels=8 if known else 0),
            nn.Dense(4, in_units=8 * 4 * 4 if known else 0))  # fmt: skip
    return net


def image(ctx):
    return nd.ones((2, 3, 6, 6), ctx=ctx)


class Own(ik.Initializer):
    def _init_weight(self, desc, arr):
        arr[:] = desc.rng.normal(size=arr.shape)

    def _init_bias(self, desc, arr):
        mx.nd.random.uniform(0, 1, shape=arr.shape, ctx=arr.context, out=arr)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("init", [*INITS, Own()], ids=lambda init: type(init).__name__)
def test_fingerprints_are_those_of_the_cpu(device, known, init):
    nets = []
    for ctx in (mx.cpu(), device, [mx.cpu(0), device]):
        net = network(known)
        ik.initialize(net, init, ctx, seed=7)
        ik.materialize(net, (2, 3, 6, 6))
        ik.initialize(net, init, ctx, seed=7, force_reinit=True)  # in place
        nets.append(net)
    assert contexts(nets[1][2].weight) == [device] and contexts(nets[2][2].weight) == [mx.cpu(0), device]
    assert len({ik.fingerprint(net) for net in nets}) == 1
    for path, param in nets[2]._collect_params_with_prefix().items():
        assert (param.data(mx.cpu(0)).asnumpy() == param.data(device).asnumpy()).all(), path
    assert np.isfinite(nets[1](image(device)).asnumpy()).all()


def copies(call):
    """How many arrays the engine copied, or the user's side read, during a call."""
    mx.nd.waitall()
    # At the end of the process MXNet removes a file of this name and writes a new one: as root, /dev/null too.
    profile = Path(tempfile.mkdtemp(), "profile.json")
    mx.profiler.set_config(profile_all=True, aggregate_stats=True, filename=str(profile))
    mx.profiler.set_state("run")
    call()
    mx.nd.waitall()
    mx.profiler.set_state("stop")
    rows = re.findall(r"^(?!MXShallowCopySymbol)(\w*Copy\w*)\s+(\d+)\s", mx.profiler.dumps(reset=True), re.MULTILINE)
    return sum(int(count) for _, count in rows)


def test_pure_inspection_without_statistics_copies_nothing(device):
    net = network()
    ik.initialize(net, ctx=[mx.cpu(0), device], seed=7)
    assert copies(lambda: ik.inspect(net)) == 0
    assert copies(lambda: ik.plan(net)) == copies(lambda: ik.shared_groups(net)) == 0
    assert copies(lambda: ik.explain(net, (2, 3, 6, 6))) == 0
    assert copies(lambda: net[2].weight.data(device).asnumpy()) >= 1  # what the others would show


def test_statistics_are_those_of_the_cpu(device):
    found = []
    for ctx in (mx.cpu(), device):
        net = network()
        ik.initialize(net, mx.init.Normal(1), ctx, seed=7)
        for param in net.collect_params().values():
            if param.grad_req != "null":  # the same bits: a backward pass rounds otherwise on a GPU
                param.data(ctx).copyto(param.grad(ctx))
        found.append(ik.inspect(net, stats=True, grads=True).records)
    for one, two in zip(*found):
        assert one.stats == two.stats and one.grad_stats == two.grad_stats, one.path
    assert found[1][0].contexts == (str(device),)
    assert found[1][0].grad_stats == found[1][0].stats and found[1][0].stats.norm > 0


def test_replicas_that_differ_are_found(device):
    net = network()
    ik.initialize(net, ctx=[mx.cpu(0), device], seed=7)
    assert not ik.inspect(net, stats=True).findings
    net[2].weight.data(device)[0, 0] = 3
    (finding,) = ik.inspect(net, stats=True).findings
    assert finding.code == "replicas-differ" and finding.paths == ("2.weight",)


def test_a_history_a_reviewed_file_and_what_is_asserted(device, tmp_path):
    histories = []
    for ctx in (mx.cpu(), device, [device, mx.cpu(0)]):
        net = network()
        ik.initialize(net, mx.init.Normal(1), ctx, seed=7)
        recorder = ik.Recorder(net)
        recorder.step()
        histories.append(recorder.to_records())
        InitRegression(tmp_path, "test_it", update=ctx == mx.cpu()).check(net)
        ik.testing.assert_all_finite(net)
        ik.testing.assert_no_findings(net)
    assert histories[0] == histories[1] == histories[2]
    net[2].bias.data(device)[1] = float("nan")
    with pytest.raises(AssertionError, match=rf"2\.bias +{re.escape(str(device))} +4 +1 "):
        ik.testing.assert_all_finite(net)


def test_ties_files_and_traces(device, tmp_path):
    def untied():
        net = nn.HybridSequential()
        net.add(nn.Dense(4, in_units=4), nn.Dense(4), nn.Dense(4, in_units=4))
        return net

    net = untied()
    ik.Sharing(net).tie("0.weight", "2.weight").apply()
    with ik.trace(net) as t:
        ik.initialize(net, ctx=device, seed=7)
        net(nd.ones((1, 4), ctx=device))
    assert [event.path for event in t.events if event.block] == ["1.weight"] and not t.pending
    ik.save(net, str(tmp_path / "tied.params"))
    before = ik.fingerprint(net)
    ik.initialize(net, ctx=device, seed=8, force_reinit=True)
    ik.load(net, str(tmp_path / "tied.params"), ctx=device)
    assert ik.fingerprint(net) == before and contexts(net[2].weight) == [device]
    assert ik.compare(net, str(tmp_path / "tied.params")).same
    other = untied()
    ik.load(other, str(tmp_path / "tied.params"), ties="apply", device=device)  # MXNet 2's name of ctx
    assert ik.fingerprint(other) == before and contexts(other[2].weight) == [device]
