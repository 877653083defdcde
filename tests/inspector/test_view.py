"""`ParameterView`: a parameter of a report, the tutorial's way."""

from gluon_initkit.inspector import ParameterView, Report
import networks
from networks import record
import pytest


def test_repr_is_the_tutorials_by_path():
    assert repr(networks.small()["0.weight"]) == "Parameter 0.weight (shape=(4, 3), dtype=float32)"
    assert repr(networks.deferred()["3.weight"]) == "Parameter 3.weight (shape=(3, ?), dtype=float16)"
    assert repr(ParameterView(record(constant=True, shape=None))).startswith("Constant 0.weight (shape=?")


def test_every_attribute_of_the_record():
    view = networks.small()["1.gamma"]
    assert view.role == "gamma" and view.block == "BatchNorm" and view.stats.max == 3.0 and "grad_req" in dir(view)
    with pytest.raises(AttributeError):
        view.nonsense  # noqa: B018
    with pytest.raises(AttributeError):
        view.record = None


@pytest.mark.parametrize("asked", ["data", "grad"])
def test_facts_alone_say_how_to_get_values(asked):
    report = Report.from_json(networks.small().to_json())
    with pytest.raises(RuntimeError) as caught:
        getattr(report["0.weight"], asked)()
    assert "0.weight: this report was read back" in str(caught.value)
    assert f"ik.inspect(net)['0.weight'].{asked}()" in str(caught.value)


def test_html_has_the_facts_and_the_distribution():
    html = networks.small()["0.weight"]._repr_html_()
    assert "Parameter 0.weight (shape=(4, 3), dtype=float32)" in html and "<svg" in html and "<script" not in html
    assert '>std</span><span>0.6276</span>' in html


def test_what_stands_in_a_name_cannot_break_a_page():
    hostile = record('<script>alert("1")</script>', block="<b>", block_path="")
    for html in (ParameterView(hostile)._repr_html_(), Report([hostile], source="<i>").to_html()):
        assert "<script" not in html and "<b>" not in html and "<i>" not in html
