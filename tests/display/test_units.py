"""Numbers with what they count, in the singular where there is one."""

import gluon_initkit as ik
from gluon_initkit.display import counted, counted_of, listed, printable, shape_text, show_value, size_text
import mxnet as mx
from mxnet.gluon import nn
import pytest


@pytest.mark.parametrize("count, text", [(0, "0 bytes"), (1, "1 byte"), (2, "2 bytes"), (1234567, "1,234,567 bytes")])
def test_a_number_and_a_noun(count, text):
    assert counted(count, "byte") == text


def test_the_verb_goes_by_the_first_number_and_the_noun_by_the_second():
    assert [counted_of(*each, "parameter", "is", "are") for each in ((1, 1), (1, 2000), (2, 2), (0, 1))] == [
        "1 of 1 parameter is", "1 of 2,000 parameters is", "2 of 2 parameters are", "0 of 1 parameter are"]  # fmt: skip


def test_sizes_shapes_names_and_values():
    assert [size_text(size) for size in (0, 512, 1024, 1536, 3 << 30, 5 << 50)] == [
        "0 B", "512 B", "1.0 KiB", "1.5 KiB", "3.0 GiB", "5120.0 TiB"]  # fmt: skip
    assert (shape_text((2, None)), shape_text(()), shape_text(None)) == ("(2, ?)", "()", "?")
    assert listed(["a", "b", "c"], 2) == "a, b and 1 more" and listed(["a"]) == "a"
    assert [show_value(value) for value in (1234567, 0.000123456, True, None)] == ["1,234,567", "0.0001235", "yes", ""]
    assert printable("a\x1b\n", keep="\n") == "a\\x1b\n"


def one_parameter(**options):
    return nn.Dense(1, use_bias=False, **options)


def covered_by_nothing():
    ik.initialize(one_parameter(in_units=1), ik.Rules([]))


def without_a_fingerprint():
    ik.fingerprint(one_parameter())


def not_saved():
    ik.save(one_parameter(), "never written")


def not_resolved():
    net = one_parameter()
    net.initialize()
    ik.materialize(net)


@pytest.mark.parametrize("call, says", [
    (covered_by_nothing, "1 parameter is covered by nothing"),
    (without_a_fingerprint, "1 parameter has no values"),
    (not_saved, "1 parameter has no values"),
    (not_resolved, "1 of 1 parameter holds no values yet"),
])  # fmt: skip
def test_one_parameter_is_said_to_be_one(call, says):
    with pytest.raises((ik.InitializationError, ik.SharingError, ik.DeferredInitError), match=f"^{says}"):
        call()


def test_one_of_one_in_notes_and_lines():
    net = one_parameter(in_units=1)
    net.initialize(mx.init.One())
    assert ik.explain(net).summary == "1 parameter holds values"
    assert ik.plan(net).notes[-1].startswith("1 parameter is initialized already")
    with pytest.warns(UserWarning, match="^1 of 1 parameter is already initialized"):
        ik.initialize(net)
    recorder = ik.Recorder(net)
    recorder.step()
    assert "1 step of 1 parameter every 1" in repr(recorder)
    assert str(ik.inspect(net).totals).startswith("1 value in 1 parameter")
    net.weight.set_data(net.weight.data() / 0)
    (finding,) = [each for each in ik.inspect(net, stats=True).findings if each.code == "inf"]
    assert finding.evidence == "1 of 1 value is +inf"
