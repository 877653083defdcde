"""A trace as text and as HTML: a tree by the user's call and by block, in order of time."""

import io
import re

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import pytest
import rich.console
from vocabulary import nd


def network(hybrid=False):
    inner = nn.HybridSequential()
    inner.add(nn.Dense(3, use_bias=False), nn.Activation("relu"))
    net = nn.HybridSequential()
    net.add(inner, nn.Dense(2))
    if hybrid:
        net.hybridize()
    return net


def plain(text):
    """Without what differs from run to run."""
    text = re.sub(r"test_trace_shown\.py:\d+", "LINE", text)
    return re.sub(r" +", " ", re.sub(r"\d+ µs|\d+\.\d+ m?s", "TIME", re.sub("─+", "─", text)))


@pytest.mark.parametrize("hybrid", [False, True])
def test_it_is_a_tree_by_block_in_order_of_time(hybrid, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    net = network(hybrid)
    with ik.trace(net) as t:
        net.initialize(mx.init.One())
        net(nd.ones((2, 5)))
        net.cast("float16")
    assert plain(str(t)) == """\
Trace of HybridSequential: 3 resolved, 0 pending
event shape given filled by bytes took detail
─
HybridSequential.initialize · LINE
 deferred
 0.0.weight (3, ?) TIME
 1.weight (2, ?) TIME
 resolved
 1.bias (2) Zero 8 B TIME
HybridSequential.__call__ · LINE
 resolved
 0.0.weight (3, 5) (2, 5) One 60 B TIME
 1.weight (2, 3) (2, 3) One 24 B TIME
HybridSequential.cast · LINE
 cast
 0.0.weight (3, 5) 30 B TIME float32 to float16
 1
 weight (2, 3) 12 B TIME float32 to float16
 bias (2) 4 B TIME float32 to float16

3 initialize events are not shown: deferred or resolved ones follow them."""
    console = rich.console.Console(width=140, file=io.StringIO())
    console.print(t)
    assert "0.0.weight" in console.file.getvalue()


def test_a_failed_pass_stands_in_it_with_what_was_undone(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    net = nn.Sequential()
    net.add(nn.Dense(2), nn.Dense(2, in_units=9))
    with ik.trace(net) as t:
        net.initialize()
        with pytest.raises(ik.DeferredInitError):
            net(nd.ones((1, 3)))
    text = str(t)
    assert "(2, 3)" in text and "1 parameter is pending again" in " ".join(text.split())
    assert text.splitlines()[0].endswith("1 pending")


def test_html_is_self_contained_and_escaped():
    class Odd(mx.init.Initializer):
        def _init_weight(self, desc, arr):
            arr[:] = 1

    Odd.__name__ = "<b>Odd"
    net = network()
    with ik.trace(net) as t:
        net.initialize(Odd())
        net(nd.ones((2, 5)))
    html = t._repr_html_().replace("<wbr>", "")
    assert "&lt;b&gt;Odd" in html and "<b>" not in html
    assert "http" not in html and html.count("<details") == html.count("</details>") > 4


def test_a_long_trace_is_folded_and_whole():
    net = nn.HybridSequential()
    net.add(*(nn.Dense(2) for _ in range(60)))
    with ik.trace(net) as t:
        net.initialize()
        net(nd.ones((2, 2)))
    assert len(str(t).splitlines()) < 30 and "{0..59}.weight x60" in str(t)
    assert len(t) == len(t.rows) == len(t.to_records()) and len(t.to_text(all=True).splitlines()) > 240


def test_an_empty_trace_says_so():
    with ik.trace(network()) as t:
        pass
    assert str(t) == "Trace of HybridSequential: nothing happened"


def test_of_many_parameters_those_that_were_resolved_at_once_are_counted():
    net = nn.HybridSequential()
    net.add(*(nn.Dense(2, in_units=2) for _ in range(13)), nn.Dense(2))
    with ik.trace(net) as t:
        net.initialize()
    text = " ".join(str(t).split())
    assert "27 parameters got their values at once, which is not shown either." in text and "13.weight" in text
    assert "x13" not in text and "{0..12}" not in text and t.to_text(all=True).count("Zero") == 14
    assert t.to_html().count(">Zero<") == 14
    whole = nn.HybridSequential()
    whole.add(*(nn.Dense(2, in_units=2) for _ in range(14)))
    with ik.trace(whole) as t:
        whole.initialize()
    assert "at once" not in str(t) and "{0..13} x14" in str(t)
