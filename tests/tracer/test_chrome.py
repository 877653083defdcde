"""The Chrome trace is valid by the Trace Event Format, and its spans nest as the blocks do."""

import json
import threading

import gluon_initkit as ik
from mxnet.gluon import nn
import pytest
from vocabulary import GLUON_2, nd

# https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
REQUIRED = {
    "X": {"name": str, "cat": str, "ph": str, "ts": (int, float), "dur": (int, float), "pid": int, "tid": int},
    "i": {"name": str, "cat": str, "ph": str, "ts": (int, float), "s": str, "pid": int, "tid": int},
    "M": {"name": str, "ph": str, "pid": int, "tid": int, "args": dict},
}


def network(hybrid):
    inner = nn.HybridSequential()
    inner.add(nn.Dense(3), nn.Dense(4))
    net = nn.HybridSequential()
    net.add(inner, nn.Dense(2))
    if hybrid:
        net.hybridize()
    return net


def written(tmp_path, t):
    t.to_chrome_trace(tmp_path / "trace.json")
    return json.loads((tmp_path / "trace.json").read_text(encoding="utf-8"))


def traced(tmp_path, hybrid):
    net = network(hybrid)
    with ik.trace(net) as t:
        net.initialize()
        net(nd.ones((2, 5)))
    return written(tmp_path, t)


@pytest.mark.parametrize("hybrid", [False, True])
def test_every_event_is_valid(tmp_path, hybrid):
    trace = traced(tmp_path, hybrid)
    assert trace["displayTimeUnit"] == "ms" and len(trace["traceEvents"]) > 10
    for event in trace["traceEvents"]:
        for key, kind in REQUIRED[event["ph"]].items():
            assert isinstance(event[key], kind), (event, key)
        assert event.get("dur", 0) >= 0 and event.get("ts", 0) >= 0
        assert event["ph"] != "i" or (event["s"] == "t" and "dur" not in event)
    assert {event["name"] for event in trace["traceEvents"] if event["ph"] == "M"} == {"process_name", "thread_name"}


@pytest.mark.parametrize("hybrid", [False, True])
def test_spans_nest_by_block_and_resolutions_lie_inside(tmp_path, hybrid):
    events = traced(tmp_path, hybrid)["traceEvents"]
    spans = {event["args"]["block"]: event for event in events if event.get("cat") == "forward"}
    assert set(spans) == {"", "0", "0.0", "0.1", "1"}

    def inside(inner, outer):
        end = outer["ts"] + outer["dur"] + 0.002  # three decimals of a microsecond are written
        return outer["ts"] - 0.002 <= inner["ts"] and inner["ts"] + inner["dur"] <= end and inner["tid"] == outer["tid"]

    for path in ("0", "0.0", "0.1", "1"):
        assert inside(spans[path], spans[path.rpartition(".")[0]])
    assert not inside(spans["0.1"], spans["0.0"]) and not inside(spans["1"], spans["0"])
    resolved = [event for event in events if event.get("cat") == "resolved" and "block" in event["args"]]
    assert [event["name"] for event in resolved] == [f"resolved {path}.weight" for path in ("0.0", "0.1", "1")]
    for event in resolved:
        # Inside a hybridized block the children have run by then: what resolves is the block around them.
        # In MXNet 2 a layer resolves before its forward begins.
        around = event["args"]["block"] if not GLUON_2 else event["args"]["block"].rpartition(".")[0]
        assert inside(event, spans["" if hybrid else around])
        assert event["args"]["shape"] in ("(3, 5)", "(4, 3)", "(2, 4)") and event["args"]["bytes"] > 0
    drawn = hybrid and not GLUON_2  # of which MXNet 2 tells nothing
    assert spans["0.1"]["args"] == {"block": "0.1", "class": "Dense", "inputs": "(2, 3)", "symbolic": drawn}


def test_threads_are_rows_of_their_own(tmp_path):
    net = network(False)
    with ik.trace(net) as t:
        net.initialize()
        thread = threading.Thread(target=lambda: net(nd.ones((2, 5))))
        thread.start()
        thread.join()
    events = written(tmp_path, t)["traceEvents"]
    assert len({event["tid"] for event in events if event.get("cat") == "initialize"}) == 1
    assert len([event for event in events if event["name"] == "thread_name"]) == 2
