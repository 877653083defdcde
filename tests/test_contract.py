"""What users hold on to: public names and signatures, errors, JSON keys, file bytes, values. Nothing inside is named.

``GLUON_INITKIT_GOLDEN=write pytest tests/test_contract.py`` writes the golden files anew; then read the difference.
"""

import dataclasses
import hashlib
import inspect
import json
import os
from pathlib import Path

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import pytest
from vocabulary import GLUON_2, nd

UNPROMISED = {"Span", "Timeline", "spans", "timeline", "to_chrome_trace"}  # of one format that goes
FOLDER = Path(__file__).parent / "contract"


def compare(name, text):
    file = FOLDER / name
    if os.environ.get("GLUON_INITKIT_GOLDEN") == "write":
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def signature(function):
    """The parameters with their defaults, without annotations."""
    parameters = []
    for parameter in inspect.signature(function).parameters.values():
        default = parameter.default
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in parameters:
            parameters.append("*")
        if isinstance(default, mx.init.Initializer):
            parameter = parameter.replace(default=parameter.empty)
            parameters.append(f"{parameter.name}={default.dumps()}")
        else:
            parameters.append(str(parameter.replace(annotation=parameter.empty)).replace(" = ", "="))
    return "(" + ", ".join(parameters) + ")"


def members(cls):
    """The public members of a class that the kit defines, a line each; of the fields of a record, their names."""
    fields = getattr(cls, "_fields", ())
    if dataclasses.is_dataclass(cls):
        fields = tuple(field.name for field in dataclasses.fields(cls))
    if fields:
        yield f"    fields: {', '.join(fields)}"
    ours = [base for base in cls.__mro__ if base.__module__.startswith("gluon_initkit")]
    names = {name for base in ours for name in vars(base) if not name.startswith("_")} - {*fields, *UNPROMISED}
    for name in sorted(names):
        member = inspect.getattr_static(cls, name)
        if isinstance(member, property):
            yield f"    {name}"
        elif callable(getattr(cls, name)):
            yield f"    {name}{signature(getattr(cls, name))}"


def interface():
    for name in sorted({*ik.__all__} - UNPROMISED):
        public = getattr(ik, name)
        if not inspect.isclass(public):
            yield f"{name}{signature(public)}"
        elif issubclass(public, Exception):
            families = (ValueError, AssertionError, mx.MXNetError)
            yield f"{name}: {', '.join(family.__name__ for family in families if issubclass(public, family))}"
        elif issubclass(public, mx.init.Initializer):
            yield f"{name}{signature(public.__init__)}"
        else:
            yield name
            yield from members(public)


def test_public_names_and_signatures():
    compare("interface.txt", "\n".join(interface()) + "\n")


def test_public_names_of_the_modules_that_are_called_by_their_names():
    assert ik.testing.__all__ == ["assert_all_finite", "assert_initialized", "assert_no_findings", "assert_same_init",
                                  "assert_shared"]  # fmt: skip
    assert callable(ik.inspector.column) and "nan" in ik.inspector.CODES


def network():
    net = nn.HybridSequential()
    net.add(nn.Dense(4, in_units=3, activation="relu"), nn.BatchNorm(in_channels=4), nn.Dense(4, in_units=4))
    ik.initialize(net, mx.init.Xavier(), seed=7)
    return net


def twins():
    """A network of two layers that share their biases."""
    net = network()
    ik.Sharing(net).tie("0.bias", "2.bias").apply()
    return net


def keys(value):
    """The shape of a JSON document: the keys of its objects, and what a list holds by its first entry."""
    if isinstance(value, dict):
        return {key: keys(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [keys(value[0])] if value else []
    return type(value).__name__ if not isinstance(value, (int, float)) else "number"


def test_json_keys():
    net = network()
    with ik.trace(net) as trace:
        net(nd.ones((2, 3)))
    documents = {
        "report": ik.inspect(net, stats="full", grads=True).to_json(),
        "comparison": ik.compare(net, network()).to_json(),
        "trace": trace.to_json(),
    }
    shapes = {name: keys(json.loads(text)) for name, text in documents.items()}
    for record in shapes["report"]["records"]:
        record["stats"] = sorted(set(record["stats"]) - {"quantiles", "histogram"})
    compare(f"json{2 if GLUON_2 else 1}.txt", json.dumps(shapes, indent=1) + "\n")


def test_values_are_the_same_bits_everywhere():
    assert ik.fingerprint(network()).startswith("233af7a32788ece8")


def test_a_saved_file_has_the_same_bytes_everywhere(tmp_path):
    ik.save(twins(), str(tmp_path / "net.params"))
    digest = hashlib.sha256((tmp_path / "net.params").read_bytes()).hexdigest()
    assert digest.startswith("fb9c8e34c765f703" if GLUON_2 else "cd63e3d567ace267")


def test_a_tied_file_is_loaded_with_its_ties(tmp_path):
    net, again = twins(), twins()
    ik.save(net, str(tmp_path / "net.params"))
    ik.load(again, str(tmp_path / "net.params"), ties="check", ctx=mx.cpu())
    assert ik.fingerprint(again) == ik.fingerprint(net)


@pytest.mark.parametrize(("error", "call"), [
    (ik.InitializationError, lambda net, path: ik.fingerprint(nn.Dense(2))),
    (ik.CheckpointError, lambda net, path: ik.inspect(path)),
    (ik.LoadError, lambda net, path: ik.load(nn.Dense(3, in_units=2), whole(net, path))),
    (ik.SharingError, lambda net, path: ik.Sharing(net).tie("0.weight", "2.weight").apply()),
    (ik.SharingError, lambda net, path: ik.check_sharing(net, ik.shared_groups(twins()))),
    (ik.FindingsError, lambda net, path: broken(net).check()),
    (ik.DeferredInitError, lambda net, path: ik.materialize(nn.Dense(2))),
])  # fmt: skip
def test_which_error_a_mistake_raises(error, call, tmp_path):
    path = str(tmp_path / "file.params")
    Path(path).write_bytes(b"no parameters")
    net = network()
    before = ik.fingerprint(net)
    with pytest.raises(error):
        call(net, path)
    assert error is ik.FindingsError or ik.fingerprint(net) == before


def whole(net, path):
    ik.save(net, path)
    return path


def broken(net):
    net[0].weight.set_data(net[0].weight.data() * float("nan"))
    return ik.inspect(net, stats=True)
