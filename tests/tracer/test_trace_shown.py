"""A trace as text and as HTML: a tree by the user's call and by block, in order of time."""

import io
import re
import threading

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
    return re.sub(r"\d+ µs|\d+\.\d+ m?s", "TIME", text)


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
├── HybridSequential.initialize · LINE
│   ├── initialize 0.0.weight (3, ?) · One
│   ├── deferred 0.0.weight (3, ?)
│   ├── initialize 1.weight (2, ?) · One
│   ├── deferred 1.weight (2, ?)
│   ├── initialize 1.bias (2) · One
│   └── resolved 1.bias (2) · Zero._init_weight · 8 B · TIME
├── HybridSequential.__call__ · LINE
│   ├── 0.0 on (2, 5)
│   │   └── resolved 0.0.weight (3, 5) · One._init_weight · 60 B · TIME
│   └── 1 on (2, 3)
│       └── resolved 1.weight (2, 3) · One._init_weight · 24 B · TIME
└── HybridSequential.cast · LINE
    ├── cast 0.0.weight (3, 5) · 30 B · TIME · float32 to float16
    ├── cast 1.weight (2, 3) · 12 B · TIME · float32 to float16
    └── cast 1.bias (2) · 4 B · TIME · float32 to float16"""
    console = rich.console.Console(width=140, file=io.StringIO())
    console.print(t)
    assert "0.0 on (2, 5)" in console.file.getvalue()


def test_a_failed_pass_stands_in_it_with_what_was_undone(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    net = nn.Sequential()
    net.add(nn.Dense(2), nn.Dense(2, in_units=9))
    with ik.trace(net) as t:
        net.initialize()
        with pytest.raises(ik.DeferredInitError):
            net(nd.ones((1, 3)))
    text = str(t)
    assert "resolved 0.weight (2, 3)" in text and "1 parameter is pending again" in text
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
    assert "&lt;b&gt;Odd._init_weight" in html and "<b>" not in html
    assert "<script" not in html and "http" not in html
    assert html.count("<details") == html.count("</details>") == 4


def test_in_html_what_is_long_unfolds_on_a_click():
    net = nn.HybridSequential()
    net.add(*(nn.Dense(2) for _ in range(6)))
    with ik.trace(net) as t:
        net.initialize()
        net(nd.ones((2, 5)))
    html = t._repr_html_().replace("<wbr>", "")
    initialized, passed = html.split("HybridSequential.__call__")
    assert initialized.count("<details>") == 1 and initialized.count('<details open') == 1
    assert passed.count("<details open") == 6


@pytest.mark.mxnet1("layers that resolve inside of their own forward")
def test_passes_of_two_threads_are_two_branches():
    net = nn.HybridSequential()
    net.add(nn.Dense(2), nn.Dense(3))
    with ik.trace(net) as t:
        net.initialize()
        for layer in net:
            thread = threading.Thread(target=layer, args=(nd.ones((1, 4)),))
            thread.start()
            thread.join()
    assert sum(line.startswith(("├── ", "└── ")) for line in str(t).splitlines()) == 3


def test_an_empty_trace_says_so():
    with ik.trace(network()) as t:
        pass
    assert str(t) == "Trace of HybridSequential: nothing happened"


def test_a_line_of_it():
    net = nn.Dense(2)
    with ik.trace(net) as trace:
        assert repr(trace) == "<Trace of Dense: 0 events, 0 parameters pending>"
        net.initialize()
        assert re.fullmatch(r"<Trace of Dense: [3-9] events, 1 parameter pending>", repr(trace))
    assert re.fullmatch(r"<Trace of Dense: [3-9] events, 1 parameter pending>", repr(trace))
