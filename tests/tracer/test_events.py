"""Events are plain records that describe themselves."""

import dataclasses

from gluon_initkit import TraceEvent
import pytest


def test_an_event_is_one_line():
    event = TraceEvent("resolved", "0.weight", (4, 5), "float32", "0", ((3, 5), None), "Xavier", "_init_weight",
                       bytes=80, seconds=0.00012, file="/home/me/train.py", line=12)  # fmt: skip
    headline, *facts = str(event).split(" · ")
    assert headline == "resolved 0.weight (4, 5)"
    assert facts == ["in 0 on (3, 5), ?", "Xavier._init_weight", "80 B", "120 µs", "train.py:12"]
    assert dataclasses.replace(event, file="C:\\me\\train.py").source == "train.py:12"
    assert dataclasses.replace(event, file="/tmp/ipykernel_4242/2511254667.py").source == "cell:12"
    assert "in the network on" in str(dataclasses.replace(event, block=""))


def test_unknown_dimensions_are_named():
    assert TraceEvent("deferred", "w", (4, None, 3, None), "float32").unknown == (1, 3)
    assert TraceEvent("deferred", "w", None, "float32").unknown == ()
    assert str(TraceEvent("deferred", "w", (4, None), "float32")) == "deferred w (4, ?)"


def test_a_failure_names_no_parameter():
    event = TraceEvent("failed", None, None, None, detail="ValueError: no", seconds=1.5)
    assert str(event) == "failed · 1.50 s · ValueError: no"


def test_events_are_frozen_and_hashable():
    event = TraceEvent("cast", "w", (1,), "float16")
    assert hash(event) == hash(dataclasses.replace(event))
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.thread = 2
