"""The front door: what it takes, and what it refuses."""

from pathlib import Path
import re

import gluon_initkit as ik
from gluon_initkit._mxnet.preserve import fresh_names
import mxnet as mx
from mxnet.gluon import nn
import pytest
from vocabulary import nd


def test_what_is_no_network_is_refused():
    with pytest.raises(TypeError, match=r"expected a network \(an mxnet.gluon.Block\), found int: 3"):
        ik.inspect(3)
    net = nn.Dense(2)
    params = net.collect_params()
    with pytest.raises(TypeError, match=f"(?s)found {type(params).__name__}: .*pass the network it came from"):
        ik.inspect(params)


def test_all_but_the_network_by_keyword():
    with pytest.raises(TypeError, match="takes no inputs"):
        ik.inspect(nn.Dense(2), "*")


@pytest.mark.parametrize("name, given", [("grads", True), ("trainer", object()), ("init", "xavier")])
@pytest.mark.parametrize("file", ["model.params", Path("model.params")])
def test_what_a_file_cannot_tell(file, name, given):
    with pytest.raises(ValueError, match=f"{name}= is about a network, and 'model.params' is a file"):
        ik.inspect(file, **{name: given})


def test_a_file_knows_no_blocks(tmp_path):
    """A Block class would silently select nothing."""
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=3))
    net.initialize()
    path = str(tmp_path / "a.params")
    ik.save(net, path)
    said = re.escape(f"Dense is a class of blocks, and {path!r} is a file: it has arrays by name ('0.weight', ...)")
    said += r".*a glob over names \('0\.\*'\), a role \('weight'\)"
    for ask in (
        lambda: ik.inspect(path, select=nn.Dense),
        lambda: ik.inspect(path, ignore=[("nan", nn.Dense)]),
        lambda: ik.inspect(path).select(nn.Dense),
    ):
        with pytest.raises(ValueError, match=said):
            ask()
    assert [record.path for record in ik.inspect(path, select="0.*").records] == ["0.weight", "0.bias"]
    assert [record.path for record in ik.inspect(net).select(nn.Dense).records] == ["0.weight", "0.bias"]


def test_equal_networks_give_equal_reports():
    def made():
        net = nn.HybridSequential()
        with fresh_names():
            net.add(nn.Dense(2, in_units=3), nn.Dense(2))
        ik.initialize(net, seed=4)
        return ik.inspect(net, stats=True)

    assert made() == made()


def test_gradients_and_a_declared_initializer_imply_statistics():
    net = nn.Dense(2, in_units=3)
    net.initialize()
    assert all(record.stats and record.grad_stats for record in ik.inspect(net, grads=True).records)
    assert all(record.stats for record in ik.inspect(net, init="uniform").records)
    assert not any(record.stats or record.grad_stats for record in ik.inspect(net).records)


def test_the_source_is_named():
    assert ik.inspect(nn.Dense(2)).source == "Dense"
    assert ik.inspect(mx.gluon.model_zoo.vision.alexnet()).source == "AlexNet"


@pytest.mark.parametrize("thing", [None, b"a.params", [], nn.Dense, nd.ones(2), nn.Dense(2).collect_params()])
def test_what_is_neither_a_network_nor_a_path_is_refused(thing):
    with pytest.raises(TypeError, match=r"expected a network \(an mxnet.gluon.Block\), found (?s:.*)by its path"):
        ik.inspect(thing)
    with pytest.raises(TypeError, match=f"cannot compare {type(thing).__name__}|expected a network"):
        ik.compare(thing, thing)


def test_a_selector_that_is_nobodys_path_is_a_typo_and_one_that_describes_none_is_an_answer(tmp_path):
    net, path = nn.HybridSequential(), str(tmp_path / "a.params")
    net.add(nn.Dense(2, in_units=3), nn.Dense(2, in_units=2))
    net.initialize()
    net.save_parameters(path)
    for thing in (net, path):
        report = ik.inspect(thing)
        for ask in (report.select, lambda selector, thing=thing: ik.inspect(thing, select=selector)):
            with pytest.raises(ValueError, match="no parameter has the path '1.wieght'; did you mean '1.weight'"):
                ask("1.wieght")
            with pytest.raises(ValueError, match=r"no parameter has the path '1', which is a block's; '1\.\*' selects"):
                ask("1")
            assert len(ask("1.*")) == 2 and len(ask("1.weight")) == 1
            for none in ("*.gamma", "gamma", re.compile("gamma")):
                assert len(ask(none)) == 0 and "0 values in 0 parameters" in str(ask(none))


@pytest.mark.parametrize("init, kind", [(3, TypeError), ("nope", ValueError)])
def test_what_is_no_initializer_is_refused_before_there_are_values(init, kind):
    with pytest.raises(kind, match="initializer"):
        ik.inspect(nn.Dense(2, in_units=2), init=init)


def test_a_network_without_parameters_and_a_file_without_arrays(tmp_path):
    net, path = nn.HybridSequential(), str(tmp_path / "none.params")
    net.save_parameters(path)
    for thing in (net, mx.gluon.Block(), path):
        report = ik.inspect(thing, stats=True)
        assert report.records == report.findings == report.shared == () and report.totals.size == 0
        assert "0 values in 0 parameters" in str(report) and report.to_markdown() and report._repr_html_()
        assert type(report).from_json(report.to_json()) == report and len(report.to_pandas()) == 0
    assert ik.compare(net, path).same and ik.compare(net, path).load.loads
