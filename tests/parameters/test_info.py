"""Every path of a shared parameter names it, whether it stands there as it is or transposed."""

import re

import gluon_initkit as ik
from mxnet.gluon import nn
import pytest
from vocabulary import nd


class Decoder(nn.Dense):
    pass


@pytest.fixture(params=[False, True], ids=["alias", "transposed"])
def net(request):
    net = nn.HybridSequential()
    net.add(nn.Dense(4, in_units=4), Decoder(4, in_units=4))
    ik.Sharing(net).tie("1.weight", "0.weight", transpose=request.param).apply()
    return net


SELECTORS = ["1.weight", "1.*", re.compile("^1"), Decoder, lambda info: "1.weight" in info.paths]


@pytest.mark.parametrize("selector", SELECTORS, ids=["path", "glob", "regex", "class", "callable"])
def test_a_selector_that_names_any_of_them_selects_it(net, selector):
    selected = {record.path: record.aliases for record in ik.inspect(net, select=selector).records}
    assert selected["0.weight"] == ("1.weight",) and "0.bias" not in selected


def test_rules_and_reports_go_by_any_of_them(net):
    rules = ik.Rules([("1.weight", 0.5)], default="ones", strict=True)
    assert ik.plan(net, rules)["1.weight"].why == "rule 1"
    assert ik.initialize(net, rules, seed=1)["1.weight"].why == "rule 1"
    assert net[0].weight.data().asnumpy().tolist() == [[0.5] * 4] * 4
    assert ik.inspect(net, select="1.weight").records == ik.inspect(net, select="0.weight").records != ()


def test_the_recorder_and_what_is_ignored_go_by_any_of_them(net, tmp_path):
    net.initialize()
    assert ik.Recorder(net, "1.weight").history.paths == ("0.weight",)
    net[0].weight.set_data(nd.zeros((4, 4)))
    file = str(tmp_path / "tied.params")
    ik.save(net, file)
    for thing in (net, file):
        assert [each.code for each in ik.inspect(thing, stats=True).findings] == ["zero-weight"]
        assert not ik.inspect(thing, stats=True, ignore=[("zero-weight", "1.*")]).findings
        assert [record.path for record in ik.inspect(thing, select="1.weight").records] == ["0.weight"]
