"""`load` of what fits: a part by `select=`, other names by `rename=`, other shapes by `mismatched=`; and its report."""

import re

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import GLUON_2, classic, nd, tied

XAVIER = mx.init.Xavier()


def network(classes=3, tie=True, deferred=False, prefix="net_", extra=False):
    """Two layers that may be tied, a normalization and a head, under fixed global names."""
    net = nn.HybridSequential() if GLUON_2 else nn.HybridSequential(prefix=prefix)

    def dense(number, units, **named):
        return nn.Dense(units, **named) if GLUON_2 else nn.Dense(units, prefix=f"{prefix}dense{number}_", **named)

    size = 0 if deferred else 4
    net.add(dense(0, 4, in_units=size))
    if tie:
        net.add(tied(nn.Dense, net[0], 4, in_units=size))
    else:
        net.add(dense(1, 4, in_units=size))
    norm = {} if GLUON_2 else {"prefix": f"{prefix}norm_"}
    net.add(nn.BatchNorm(in_channels=size, **norm), dense(2, classes, in_units=size))
    if extra:
        net.add(dense(3, 2, in_units=classes))
    return net


def run(net):
    net(nd.ones((2, 4)))
    return net


def exported(net, path):
    net.hybridize()
    run(net)
    net.export(path)
    return path + "-0000.params"


def by_module(net, path):
    symbol, arguments, states = mx.model.load_checkpoint(exported(net, path)[: -len("-0000.params")], 0)
    module = mx.mod.Module(symbol, label_names=None)
    module.bind([("data", (2, 4))], for_training=False)
    module.set_params(arguments, states)
    module.save_checkpoint(path, 7)
    return path + "-0007.params"


def zipped(net, path):
    """As MXNet 2 writes, and NumPy 2 with the names of its own."""
    with open(path, "wb") as file:
        np.savez(file, **dict(sorted(values(net).items())))
    return path


def at(write):
    def act(net, path):
        write(net, path)
        return path

    return act


def in_safetensors(net, path):
    ik.save(net, path + ".safetensors")
    return path + ".safetensors"


KINDS = {
    "save_parameters": at(lambda net, path: net.save_parameters(path)),
    "deduplicate": at(lambda net, path: net.save_parameters(path, deduplicate=True)),
    "ours": at(ik.save),
    "safetensors": in_safetensors,
    "zip": zipped,
    "export": exported,
    "Module": by_module,
}  # fmt: skip


def values(net):
    """The values at every path that has some."""
    report = ik.inspect(net)
    return {path: report.live.values(record.path) for record in report if record.state == "initialized"
            for path in record.paths}  # fmt: skip


def same(net, expected, start=""):
    found = values(net)
    wanted = {path: value for path, value in expected.items() if path.startswith(start)}
    return wanted and all(found[path].tobytes() == value.tobytes() for path, value in wanted.items())


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "x.params")


@pytest.fixture(params=[kind for kind in KINDS if kind != "Module" or not GLUON_2])
def kind(request):
    return request.param


@pytest.fixture
def file(kind, path):
    """A file of each kind, and the values in it."""
    net = network(classes=5)
    ik.initialize(net, mx.init.Normal(), seed=1)
    run(net)
    return KINDS[kind](net, path), values(net)


def believed(kind):
    """MXNet 2 exports a shared parameter once, in an order of its own."""
    return {"ties": "ignore"} if GLUON_2 and kind == "export" else {}


HEAD = ("3.weight", "3.bias")
BODY = ("0.weight", "0.bias", "2.gamma", "2.beta", "2.running_mean", "2.running_var")


@pytest.mark.parametrize("deferred", [False, True])
@pytest.mark.parametrize("options", [{"mismatched": "skip"}, {"select": re.compile("^[012]")}], ids=["skip", "select"])
def test_a_new_head_on_the_old_body(file, kind, options, deferred):
    """What is kept has the file's bits; what is new, those of a whole initialization."""
    path, expected = file
    net, whole = network(deferred=deferred), network(deferred=deferred)
    options = {**options, **believed(kind)}
    foretold = ik.compare(net, path, **options).load
    report = ik.load(net, path, **options)
    assert report == foretold and report.loads and report.loaded == BODY
    assert report.mismatched == (HEAD if "mismatched" in options else ()) and report.missing == report.extra == ()
    assert report["1.weight"].aliases == ("1.weight",) and report["1.weight"].dtypes == ("float32", "float32")
    unknown = (3, None) if deferred else (3, 4)
    assert [row.shapes for row in report.rows[-2:]] == [(unknown, (5, 4)), ((3,), (5,))]
    assert {row.status for row in report.rows[-2:]} == ({"mismatched"} if report.mismatched else {"unselected"})
    assert set(values(net)) == {*BODY, "1.weight", "1.bias"}
    ik.initialize(whole, XAVIER, seed=7)
    ik.initialize(net, XAVIER, seed=7, select="3.*")
    run(net), run(whole)
    assert same(net, values(whole), "3.")
    kept = {name: value for name, value in expected.items() if not name.startswith("3.")}
    net = network(deferred=deferred)
    ik.load(net, path, **options)
    assert same(net, kept)
    ik.initialize(net, XAVIER, seed=7)  # without select=, with a warning
    assert same(net, {name: value for name, value in kept.items() if "running" not in name})


def test_missing_and_extra_are_told_and_left(file, kind):
    path, expected = file
    net = network(classes=5, extra=True)
    with pytest.raises(ik.LoadError, match="'4.weight' is missing"):
        ik.load(net, path)
    report = ik.load(net, path, allow_missing=True, **believed(kind))
    assert report.missing == ("4.weight", "4.bias") and report["4.weight"].name is None and same(net, expected)
    assert report["4.weight"].shapes == ((2, 5), None) and report["4.weight"].dtypes == ("float32", None)
    small = nn.HybridSequential() if GLUON_2 else nn.HybridSequential(prefix="net_")
    small.add(nn.Dense(4, in_units=4) if GLUON_2 else nn.Dense(4, in_units=4, prefix="net_dense0_"))
    report = ik.load(small, path, ignore_extra=True, ties="ignore", **(
        {"rename": {"1.": "0."}} if kind == "deduplicate" or believed(kind) else {}))  # fmt: skip
    assert report.loaded == ("0.weight", "0.bias") and report.rows[-1].shapes[0] is None
    assert len(report.extra) >= 6 and set(report.extra) <= {row.name for row in report}


def test_other_names(file):
    """By a dict of prefixes and whole names, or by a callable; of several prefixes the longest counts, once."""
    path, expected = file
    names = {name[4:] if name[:4] in ("arg:", "aux:") else name: name for name in ik.inspect(path).live}
    outer = nn.HybridSequential() if GLUON_2 else nn.HybridSequential(prefix="outer_")
    outer.add(network(classes=5, prefix="other_"))
    if any("." in name for name in names):
        layers = {path.split(":")[-1][:2] for record in ik.inspect(path) for path in record.paths}
        renames = [{"": "0."}, lambda name: f"0.{name}", {"": "9.", **{layer: f"0.{layer}" for layer in layers}}]
    else:
        renames = [{"net_": "other_"}, lambda name: name.replace("net_", "other_"),
                   {"net_": "other_", "net_d": "other_d", "net_dense2_weight": "0.3.weight"},
                   {"net_": "9_", "net_dense": "other_dense", "net_norm": "other_norm"}]  # fmt: skip
    for rename in renames:
        report = ik.load(outer, path, rename=rename)
        assert report == ik.compare(outer, path, rename=rename).load and len(report.loaded) == 8
        assert ik.compare(outer, path, rename=rename).same
        assert same(outer[0], expected) and report["0.3.weight"].name in names.values()
        outer.initialize(force_reinit=True)


WRONG = [
    ({"mismatched": "ignore"}, ValueError, "mismatched is 'ignore': expected one of 'raise', 'skip'"),
    ({"select": "3.wieght"}, ValueError, "did you mean '3.weight'"),
    ({"select": 5}, TypeError, "no selector"),
    ({"rename": {"fc.": "3."}}, ValueError, "rename= has 'fc.', with which no name in the file begins"),
    ({"rename": {"": 5}}, TypeError, "expected a dict from str to str"),
    ({"rename": "fc"}, TypeError, "rename is 'fc': expected a dict of prefixes or names, or a callable"),
    ({"rename": lambda name: None}, TypeError, r"rename= gives None for '.*': expected a str"),
    ({"rename": lambda name: "0.bias"}, ValueError, r"rename= puts both '.*' and '.*' of the file on '0.bias'"),
    ({"select": "3.*", "mismatched": "skip"}, ik.LoadError, "nothing would be loaded: the network has '3.weight'"),
    ({"rename": lambda name: name + "x", "allow_missing": True, "ignore_extra": True}, ik.LoadError, "nothing would"),
    ({}, ik.LoadError, r"'3.weight' has shape \(5, 4\) in the file(.|\n)*mismatched='skip' leaves"),
]  # fmt: skip


def test_a_wrong_option_changes_nothing(file):
    path, _ = file
    net = network()
    ik.initialize(net, XAVIER, seed=3)
    before = ik.fingerprint(net)
    for options, error, says in WRONG:
        for act in (ik.load, ik.compare):
            if error is ik.LoadError and act is ik.compare:
                found = ik.compare(net, path, **options).load.error
                assert re.search(says, found), found
            else:
                with pytest.raises(error, match=says):
                    act(net, path, **options)
        assert ik.fingerprint(net) == before
    with pytest.raises(TypeError, match="mismatch"):
        ik.compare(net, path, mismatch="skip")
    with pytest.raises(TypeError, match="'mismatched' is an option of load"):
        ik.compare(net, net, mismatched="skip")


def test_what_is_not_selected_is_not_checked(path):
    ik.save(network_of_values(network(classes=5)), path)
    net = network(tie=False)
    net.cast("float16")
    with pytest.raises(ik.LoadError, match="'1.weight' should share(.|\n)*'3.weight' is float32|has shape"):
        ik.load(net, path)
    net[0].cast("float32")
    report = ik.load(net, path, select="0.*")
    assert [row.path for row in report if row.status == "unselected"] == [*net_paths(net)[2:]]
    assert report.extra == () and set(values(net)) == {"0.weight", "0.bias"}
    assert not ik.shared_groups(net)


def network_of_values(net):
    ik.initialize(net, mx.init.Normal(), seed=1)
    return net


def net_paths(net):
    return [record.path for record in ik.inspect(net)]


def test_ties_of_the_selected_part_alone_are_applied(path):
    ik.save(network_of_values(network()), path)
    net = network(tie=False)
    report = ik.load(net, path, ties="apply", select="*.weight")
    assert net[0].weight is net[1].weight and net[0].bias is not net[1].bias
    assert report.loaded == ("0.weight", "1.weight", "3.weight") and report["1.weight"].name == "0.weight"


def test_ties_follow_other_names(path):
    ik.save(network_of_values(network()), path)
    outer = nn.HybridSequential()
    outer.add(network(tie=False))
    ik.load(outer, path, ties="apply", rename={"": "0."})
    assert [group.aliases for group in ik.shared_groups(outer)] == [("0.1.weight",), ("0.1.bias",)]


def test_a_shape_that_differs_is_left_pending_where_it_was_pending(path):
    network_of_values(network(classes=5)).save_parameters(path)
    net = network(deferred=True)
    ik.initialize(net, mx.init.One(), seed=7)
    ik.load(net, path, mismatched="skip")
    assert run(net)[3].weight.data().asnumpy().tolist() == [[1] * 4] * 3


# What is proposed


def layers(*names, units=(4, 3)):
    net = nn.HybridSequential()
    sizes = iter([5, *units])
    previous = next(sizes)
    for name, unit in zip(names, sizes):
        setattr(net, name, nn.Dense(unit, in_units=previous))
        previous = unit
    return net


def proposed(net, path, **options):
    """The `rename` that the error proposes, after it was seen to load what it says."""
    error = ik.compare(net, path, **options).load.error
    rename, found, of = re.search(r"rename=({.*}) finds (\d+) of (\d+) param", error).groups()
    with pytest.raises(ik.LoadError, match=re.escape(f"rename={rename}")):
        ik.load(net, path, **options)
    rename = eval(rename)
    report = ik.load(net, path, rename=rename, mismatched="skip", allow_missing=True, ignore_extra=True)
    assert len(report.loaded) >= int(found) and int(of) >= int(found)
    return rename


def test_mxnet_18116_a_layer_that_was_renamed_is_proposed(path):
    saved = network_of_values(layers("l1", "out"))
    saved.save_parameters(path)
    assert proposed(layers("l2", "out"), path) == {"l1.": "l2."}
    assert proposed(layers("first", "second"), path) == {"l1.": "first.", "out.": "second."}
    same_units = network_of_values(layers("a", "b", "c", units=(5, 5, 5)))
    same_units.save_parameters(path)
    assert proposed(layers("a", "x", "y", units=(5, 5, 5)), path) == {"b.": "x.", "c.": "y."}


@pytest.mark.parametrize("write", [zipped, lambda net, path: (net.save_parameters(path), path)[1]])
def test_layers_are_counted_as_numbers_where_a_file_is_sorted_by_name(write, path):
    units = (3,) * 11
    path = write(network_of_values(layers(*(f"l{n}" for n in range(11)), units=units)), path)
    renamed = {f"l{n}.": f"m{n}." for n in range(1, 11)}
    assert proposed(layers(*("l0", *(f"m{n}" for n in range(1, 11))), units=units), path) == renamed


def test_a_prefix_is_proposed_and_then_the_layer_that_is_another(path):
    outer = nn.HybridSequential()
    outer.body = layers("0", "1")
    network_of_values(layers("0", "1")).save_parameters(path)
    assert proposed(outer, path) == {"": "body."}
    network_of_values(outer).save_parameters(path)
    assert proposed(layers("0", "1"), path) == {"body.": ""}
    outer.fc = nn.Dense(3, in_units=3)
    network_of_values(outer)
    outer.save_parameters(path)
    other = nn.HybridSequential()
    other.features = layers("0", "1")
    other.output = nn.Dense(3, in_units=3)
    assert proposed(other, path) == {"body.": "features.", "fc.": "output."}


@pytest.mark.mxnet1("global names of parameters")
def test_of_global_names_other_prefixes_are_proposed(path):
    name = exported(network_of_values(network(classes=5)), path)
    assert proposed(network(prefix="other_"), name) == {"net_": "other_"}


@pytest.mark.parametrize("units", [(7, 3), (4, 3)])
def test_nothing_is_proposed_where_nothing_fits_or_where_it_would_be_ambiguous(units, path):
    network_of_values(layers("l1", "out", units=units)).save_parameters(path)
    net = layers("l2") if units[0] == 7 else layers("l1", "out", "more", units=(4, 3, 2))
    assert "rename" not in ik.compare(net, path).load.error


def test_its_looks(path):
    network_of_values(network(classes=5)).save_parameters(path)
    net = network(extra=True)
    foretold = ik.compare(net, path, allow_missing=True).load
    assert " ".join(str(foretold).split()).startswith(f"{path} would not be loaded: 6 fit, 2 missing, 2 mismatched ")
    assert "does not fit the network" in " ".join(str(foretold).split()) and not foretold.loads
    report = ik.load(net, path, allow_missing=True, mismatched="skip")
    text = str(report)
    assert "(3, 4) <- (5, 4)" in text and "= 1.weight" in text and "does not fit" not in text
    assert " ".join(text.split()).startswith(f"{path}: 6 loaded, 2 missing, 2 mismatched ")
    html = report._repr_html_()
    assert "mismatched" in html and re.findall(r'ik-head"><span>parameter</span><span>(\w+)', html) == ["status"]
    assert len(report) == 10 and report.to_records()[0]["status"] == "loaded"
    with pytest.raises(KeyError, match="did you mean '3.weight'"):
        report["3.wieght"]


def test_a_list_without_names_is_foretold(path):
    with classic():
        mx.nd.save(path, [mx.nd.ones((4, 3))])
    assert "without names" in ik.compare(network(), path).load.error


@pytest.mark.mxnet1("global names of parameters")
def test_a_path_and_a_global_name_of_one_parameter_are_two_arrays_on_one_path(path):
    name = exported(network_of_values(network(tie=False)), path)
    net = network(tie=False)
    with pytest.raises(ValueError, match="rename= puts both '.*' and '.*' of the file on '[01].weight'"):
        ik.load(net, name, rename={"net_dense0_weight": "1.weight"}, allow_missing=True)
    assert values(net) == {}


def test_two_parameters_of_one_path_are_foretold(path):
    class Clash(nn.HybridSequential):
        pass

    network_of_values(layers("l1", "out")).save_parameters(path)
    net = Clash()
    inner = nn.HybridSequential()
    inner.b = nn.Dense(2, in_units=2)
    net.a = inner
    setattr(net, "a.b", nn.Dense(2, in_units=2))
    with pytest.raises(ValueError, match="two parameters have the path 'a.b.weight'"):
        ik.load(net, path)
    assert "two parameters have the path 'a.b.weight'" in ik.compare(net, path).load.error


# Real networks


@pytest.mark.zoo
def test_resnet_of_gluoncv_gets_seven_classes(path):
    import gluoncv

    def resnet(classes):
        return gluoncv.model_zoo.get_model("resnet18_v1b", pretrained=False, classes=classes)

    source, net, whole = resnet(1000), resnet(7), resnet(7)
    ik.initialize(source, XAVIER, seed=1)
    source(nd.ones((1, 3, 32, 32)))
    source.save_parameters(path)
    with pytest.raises(ik.LoadError, match=r"'fc.weight' has shape \(1000, 512\) in the file, expected \(7, 512\)"):
        ik.load(net, path)
    report = ik.load(net, path, mismatched="skip")
    assert report.mismatched == ("fc.weight", "fc.bias") and report.missing == report.extra == ()
    ik.initialize(net, XAVIER, seed=7, select="fc.*")
    ik.initialize(whole, XAVIER, seed=7)
    whole(nd.ones((1, 3, 32, 32)))
    assert same(net, values(whole), "fc.")
    assert same(net, {name: value for name, value in values(source).items() if name[:3] != "fc."})
    source.hybridize()
    source(nd.ones((1, 3, 32, 32)))
    source.export(path)
    assert len(ik.load(resnet(7), f"{path}-0000.params", mismatched="skip").loaded) == 100
    assert len(ik.load(resnet(7), path, select=lambda info: info.label.startswith("layer")).loaded) == 100 - 5


@pytest.mark.zoo
def test_bert_of_gluonnlp_gives_its_encoder(path):
    import gluonnlp

    def bert(**named):
        encoder = gluonnlp.model.BERTEncoder(units=16, hidden_size=32, num_layers=2, num_heads=2, max_length=12)
        return gluonnlp.model.BERTModel(encoder, 30, token_type_vocab_size=2, units=16, embed_size=16, **named)

    source = network_of_values(bert())
    inputs = nd.ones((2, 5)), nd.zeros((2, 5)), nd.ones((2,)), nd.zeros((2, 1))
    source(*inputs)
    ik.save(source, path)  # its decoder shares the embedding
    classifier = nn.HybridSequential()
    classifier.add(bert(use_decoder=False, use_classifier=False), nn.Dense(3, in_units=16))
    foretold = ik.compare(classifier, path, allow_missing=True, ignore_extra=True).load
    assert "nothing would be loaded" in foretold.error and "rename={'': '0.'} finds" in foretold.error
    report = ik.load(classifier, path, rename={"": "0."}, allow_missing=True, ignore_extra=True)
    assert report.missing == ("1.weight", "1.bias") and len(report.extra) > 6
    assert {name.split(".")[0] for name in report.extra} == {"decoder", "classifier"}
    ik.initialize(classifier, XAVIER, seed=7, select="1.*")
    expected = {name: value for name, value in values(source).items() if name[:3] not in ("dec", "cla")}
    assert same(classifier[0], expected)
