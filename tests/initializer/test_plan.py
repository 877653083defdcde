"""The plan: what is said beforehand, that nothing is touched by saying it, and how it looks."""

import copy
import json
import pickle

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import pytest
from vocabulary import HybridBlock, declared, nd, tied


class Plain(mx.init.Initializer):
    def _init_weight(self, desc, arr):
        arr[:] = 1

    def _init_bias(self, desc, arr):
        arr[:] = 2


def network():
    net = nn.HybridSequential()
    net.add(nn.Dense(3), nn.BatchNorm(), nn.Dense(2, in_units=3, bias_initializer="ones"), nn.PReLU())
    net.add(tied(nn.Dense, net[2], 2, in_units=3, bias_initializer="ones"))
    return net


def state(net):
    params = net.collect_params()
    return [(name, p._shape, copy.copy(p._deferred_init), id(p._data), p.init, p._var) for name, p in params.items()]


def test_a_record_a_parameter():
    planned = ik.plan(network(), Plain())
    said = [(row.path, row.role, row.shape, row.hook, row.why, row.plain, row.differs) for row in planned]
    assert said == [
        ("0.weight", "weight", (3, None), "_init_weight", "hook", "Plain._init_weight", False),
        ("0.bias", "bias", (3,), "_init_bias", "hook", "Zero._init_weight", True),
        ("1.gamma", "gamma", (None,), "_init_weight", "layer default", "One._init_weight", False),
        ("1.beta", "beta", (None,), "_init_weight", "layer default", "Zero._init_weight", False),
        ("1.running_mean", "running_mean", (None,), "_init_weight", "layer default", "Zero._init_weight", False),
        ("1.running_var", "running_var", (None,), "_init_weight", "layer default", "One._init_weight", False),
        ("2.weight", "weight", (2, 3), "_init_weight", "hook", "Plain._init_weight", False),
        ("2.bias", "bias", (2,), "_init_weight", "layer", "One._init_weight", False),
        ("3.alpha", "default", (1,), "_init_weight", "layer default", "Constant._init_weight", False),
    ]
    assert planned["2.weight"].aliases == ("4.weight",) and planned["4.weight"] is planned["2.weight"]
    assert planned["0.bias"].dtype == "float32" and planned["0.bias"].state == "uninitialized"


def test_ignored_hooks_are_called_out_on_top():
    text = str(ik.plan(network(), Plain()))
    assert text.split("which")[0].split() == ["Plain", "defines", "_init_bias,"]
    assert "Gluon never calls" in " ".join(text.split())
    assert not ik.plan(network(), mx.init.Xavier()).notes


def test_rules_say_their_number():
    planned = ik.plan(network(), ik.Rules([("0.*", Plain()), ("*", 5), ("head", 1)]))
    assert planned["0.bias"].why == "rule 1" and planned["2.weight"].why == "rule 2"
    assert planned["2.bias"].why == "layer"
    (note,) = planned.notes
    assert note.startswith("rule 3 ('head') matches nothing: no parameter has the path 'head'; there are '0.weight', ")
    assert planned["0.weight"].plain == "raises" and planned["0.weight"].differs


def test_missing_coverage_is_a_row_and_not_an_exception():
    net = nn.HybridBlock()
    net.scale = declared(net, "scale", shape=(4,))
    planned = ik.plan(net, mx.init.Xavier())
    (row,) = planned.errors
    assert row.path == "scale" and row.hook is None and row.why == "error" and "_init_scale" in row.error
    assert "covered by nothing" in planned.notes[0] and "_init_scale" in "".join(str(planned).split())


@pytest.mark.parametrize("prepare", ["fresh", "deferred", "ran", "hybridized"])
def test_planning_touches_nothing(prepare):
    net = network()
    if prepare != "fresh":
        net.initialize()
    if prepare == "hybridized":
        net.hybridize()
    x = nd.ones((2, 4))
    if prepare in ("ran", "hybridized"):
        net[0](x)
    mx.random.seed(7)
    expected = mx.nd.random.uniform(shape=3).asnumpy()
    before = state(net)
    mx.random.seed(7)
    for init in (Plain(), mx.init.Xavier(), "normal", ik.Rules([("*", 1)])):
        str(ik.plan(net, init))
    assert (mx.nd.random.uniform(shape=3).asnumpy() == expected).all()
    assert state(net) == before


def test_states_are_told():
    net = network()
    net.initialize()
    planned = ik.plan(net, "zeros")
    assert planned["0.weight"].state == "deferred" and planned["2.weight"].state == "initialized"
    assert "force_reinit" in planned.notes[0]


def test_records_are_frozen_plain_data():
    planned = ik.plan(network(), ik.corrected(Plain()))
    with pytest.raises(AttributeError):
        planned[("0.bias")].hook = "other"
    assert pickle.loads(pickle.dumps(planned)) == planned
    records = planned.to_records()
    assert json.loads(json.dumps(records))[0]["path"] == "0.weight" and len(records) == len(planned) == 9
    with pytest.raises(KeyError, match=r"no parameter has the path '9\.weight'"):
        planned["9.weight"]


def test_the_table_fits_and_names_are_never_cut(monkeypatch):
    net = nn.HybridSequential()
    deep = net
    for _ in range(12):
        child = nn.HybridSequential()
        deep.add(child)
        deep = child
    deep.add(nn.Dense(2, in_units=3))
    for width in (60, 80, 200):
        monkeypatch.setenv("COLUMNS", str(width))
        lines = ik.plan(net, Plain()).to_text(all=True).splitlines()
        assert max(map(len, lines)) <= width
        column = "".join(line.split(" ")[0] for line in lines)
        assert "0.0.0.0.0.0.0.0.0.0.0.0.0.weight" in column


def test_the_html_is_self_contained_and_escaped():
    class Odd(mx.init.Initializer):
        def __repr__(self):
            return "<script>alert(1)</script>"

        def _init_weight(self, desc, arr):
            arr[:] = 0

    html = ik.plan(network(), Odd())._repr_html_()
    assert "<script>alert" not in html and "&lt;script&gt;" in html and "http" not in html
    assert html.count("ik-label") - html.count(".ik-label") >= 9 and ">bias<" in html


def test_what_the_title_has_told_is_not_told_in_every_row(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    net = nn.HybridSequential()
    net.add(nn.Dense(120, in_units=9), nn.Dense(2, in_units=120, weight_initializer=mx.init.Normal(0.2)))
    planned = ik.plan(net, mx.init.Xavier(magnitude=2))
    lines = planned.to_text(all=True).splitlines()
    assert lines[0] == "Plan of Xavier(rnd_type='uniform', factor_type='avg', magnitude=2): nothing of 4"
    rest = "4 parameters are filled as by plain MXNet: 2 by Zero(), 1 by Xavier, 1 by Normal(sigma=0.2)."
    assert " ".join(planned.to_text(width=200).splitlines()[-1].split()) == rest and "0.weight" not in str(planned)
    (row,) = (line for line in lines if line.startswith("0.weight"))
    assert row.split()[3] == "Xavier"
    assert any(line.startswith("1.weight") and "Normal(sigma=0.2)" in line for line in lines)
    assert max(map(len, lines)) <= 80
    report = str(ik.initialize(net, mx.init.Xavier(magnitude=2), seed=0)).splitlines()
    (row,) = (line for line in report if line.startswith("0.weight"))
    assert row.split()[3] == "Xavier"


def test_an_initializer_is_named_as_its_user_wrote_it():
    """A gamma of nobody's default is filled by what `corrected` stands around it, which is the kit's own affair."""
    net = HybridBlock()
    net.gamma = declared(net, "gamma", shape=(2,))
    row = ik.plan(net, mx.init.Xavier())["gamma"]
    assert row.initializer == "Xavier(rnd_type='uniform', factor_type='avg', magnitude=3)" and row.hook == "_init_gamma"
