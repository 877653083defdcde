"""Each check refuses, names both paths, says what mends it, and leaves the network as it was."""

import re

import gluon_initkit as ik
from gluon_initkit._mxnet.parameter import arrays_of
from gluon_initkit._mxnet.tree import parameters_by_path, walk
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import GLUON_2, RESET, HybridBlock, constant, contexts, convolution, declared, move, nd


def dense(*units, **settings):
    net = nn.HybridSequential()
    net.add(*(nn.Dense(each, in_units=4, flatten=False, **settings) for each in units))
    return net


def run(net, ctx=None):
    net.initialize(mx.init.Uniform(0.5), ctx=ctx)
    net.hybridize()
    net(nd.ones((1, 4), ctx=contexts(next(iter(net.collect_params().values())))[0]))
    return net


def state(net):
    """Everything a tie could change: values, ties, declarations, names, pending states, cached graphs."""
    params = parameters_by_path(net)
    facts = [
        (path, id(param), param.name, param.shape, param.init, param._deferred_init, id(param._trainer),
         [array.asnumpy().tobytes() for array in arrays_of(param)])
        for path, param in params.items()
    ]  # fmt: skip
    caches = [(path, id(getattr(block, "_cached_op", None)), list(block.params.keys()), dict(vars(block)))
              for path, block in walk(net)]  # fmt: skip
    whole = all(arrays_of(param) for param in params.values())
    return facts, caches, ik.shared_groups(net), ik.fingerprint(net) if whole else None


def refused(net, sharing, *texts, values="keep"):
    before = state(net)
    for dry_run in (True, False):
        with pytest.raises(ik.SharingError) as caught:
            sharing.apply(values=values, dry_run=dry_run)
        for text in texts:
            assert text in str(caught.value)
        assert "nothing was changed" in str(caught.value)
    assert state(net) == before
    return str(caught.value)


def weights(net, **changes):
    """A network of two dense layers, run, whose second weight is otherwise; and the tie of the two."""
    run(net)
    for name, value in changes.items():
        setattr(net[1].weight, name, value)
    return net, ik.Sharing(net).tie("0.weight", "1.weight")


BOTH = "'1.weight' and '0.weight'"


def test_shape():
    refused(*weights(dense(4, 3)), f"{BOTH} differ in shape, (3, 4) and (4, 4)")


def test_shape_that_fits_transposed():
    net = nn.HybridSequential()
    net.add(nn.Dense(3, in_units=4), nn.Dense(4, in_units=3))
    refused(run(net), ik.Sharing(net).tie("*.weight"), "pass transpose=True")


def test_shape_unknown_in_part():
    net = nn.HybridSequential()
    net.add(nn.Dense(3), nn.Dense(4))
    refused(net, ik.Sharing(net).tie("*.weight"), f"{BOTH} differ in shape, (4, ?) and (3, ?)")


def test_shape_of_which_two_agree_with_the_first_and_not_with_each_other():
    net = nn.HybridSequential()
    net.add(nn.Dense(3), nn.Dense(3, in_units=4), nn.Dense(3, in_units=5))
    refused(net, ik.Sharing(net).tie("*.weight"), "'2.weight' and '0.weight' differ in shape, (3, 5) and (3, 4)")


def test_number_of_dimensions():
    net = dense(4)
    net.add(convolution(nn.Conv1D, 4, 1, in_channels=4))
    refused(net, ik.Sharing(net).tie("*.weight"), f"{BOTH} differ in shape, (4, 4, 1) and (4, 4)")


def test_transposed_shape():
    net = dense(3, 3)
    refused(net, ik.Sharing(net).tie("1.weight", "0.weight", transpose=True), BOTH, "(3, 4), transposed, and (3, 4)")


def test_transposed_takes_two_dimensions():
    net = run(dense(4, 4))
    refused(net, ik.Sharing(net).tie("1.bias", "0.bias", transpose=True), "'1.bias' and '0.bias'", "two dimensions")


def test_dtype():
    net = run(dense(4, 4))
    net[1].cast("float64")
    refused(net, ik.Sharing(net).tie("*.weight"), f"{BOTH} differ in dtype, 'float64' and 'float32'", "cast")


@pytest.mark.mxnet1("sparse parameters")
def test_stype():
    net = nn.HybridSequential()
    for stype in ("default", "row_sparse"):
        block = nn.HybridSequential()
        block.weight = block.params.get("weight", shape=(4, 4), stype=stype)
        net.add(block)
    refused(net, ik.Sharing(net).tie("*.weight"), f"{BOTH} differ in stype, 'row_sparse' and 'default'")


@pytest.mark.mxnet1("sparse gradients")
def test_gradient_stype():
    net = nn.HybridSequential()
    net.add(nn.Embedding(4, 4, sparse_grad=True), nn.Dense(4, in_units=4))
    refused(net, ik.Sharing(net).tie("*.weight"), f"{BOTH} differ in grad_stype", "sparse_grad")
    net = nn.HybridSequential()
    net.add(nn.Embedding(4, 4, sparse_grad=True), nn.Embedding(4, 4, sparse_grad=True))
    refused(net, ik.Sharing(net).tie("1.weight", "0.weight", transpose=True), "row_sparse", "build both dense")


@pytest.mark.parametrize("name, value, found", [
    ("grad_req", "null", "'null' and 'write'"), ("lr_mult", 0.5, "0.5 and 1.0"), ("wd_mult", 0.0, "0.0 and 1.0"),
])  # fmt: skip
def test_declarations(name, value, found):
    refused(*weights(dense(4, 4), **{name: value}), f"{BOTH} differ in {name}, {found}: set the {name}")


def test_contexts():
    net = run(dense(4, 4))
    move(net[1], [mx.cpu(1)])
    refused(net, ik.Sharing(net).tie("*.weight"), f"{BOTH} live on different contexts", f"{RESET} one of them first")
    pending = nn.HybridSequential()
    pending.add(nn.Dense(4), nn.Dense(4))
    for layer, ctx in zip(pending, (mx.cpu(0), mx.cpu(1))):
        layer.initialize(ctx=ctx)
    refused(pending, ik.Sharing(pending).tie("*.weight"), f"{BOTH} live on different contexts")


def test_contexts_of_two_where_the_kept_one_has_none():
    net = dense(4, 4, 4)
    net[1].initialize(ctx=mx.cpu(0))
    net[2].initialize(ctx=mx.cpu(1))
    refused(net, ik.Sharing(net).tie("*.weight"), "'2.weight' and '1.weight' live on different contexts")


class Array(mx.init.Initializer):
    """Tells its base nothing, so that MXNet's == finds all of its kind equal."""

    def __init__(self, values):
        super().__init__()
        self.values = np.array(values, "float32")

    def dumps(self):
        raise TypeError("not JSON")

    def _init_weight(self, desc, arr):
        arr[:] = self.values


@pytest.mark.parametrize("one, other", [
    (mx.init.Xavier(), mx.init.Normal()), (mx.init.Normal(0.1), mx.init.Normal(0.2)), ("ones", "zeros"),
    (Array([1]), Array([2])), (mx.init.Constant(1), mx.init.Constant(2)),
])  # fmt: skip
def test_initializers(one, other):
    net = nn.HybridSequential()
    net.add(*(nn.Dense(4, in_units=4, weight_initializer=init) for init in (one, other)))
    refused(net, ik.Sharing(net).tie("*.weight"), f"{BOTH} have initializers of their own that differ", "to None")


@pytest.mark.parametrize("one, other", [
    (mx.init.Xavier(), None), (None, mx.init.Xavier()), ("ones", mx.init.One()),
    (mx.init.Normal(0.1), mx.init.Normal(0.1)), (Array([1]), Array([1])),
    (mx.init.Constant(nd.ones((2,))), mx.init.Constant(nd.ones((2,)))),
])  # fmt: skip
def test_initializers_that_say_the_same_or_nothing(one, other):
    net = nn.HybridSequential()
    net.add(*(nn.Dense(4, in_units=4, weight_initializer=init) for init in (one, other)))
    ik.Sharing(net).tie("*.weight").apply()
    assert net[0].weight.init is (one if one is not None else other)


def test_a_layers_default_yields_to_what_somebody_chose():
    net = nn.HybridSequential()
    net.add(nn.Dense(4, in_units=4), nn.Dense(4, in_units=4, bias_initializer="ones"))
    ik.Sharing(net).tie("*.bias").apply()
    net.initialize()
    assert net[0].bias.data().asnumpy().tolist() == [1, 1, 1, 1]


def test_trainer():
    net = run(dense(4, 4))
    trainer = mx.gluon.Trainer({"one": net[1].weight}, "sgd")
    text = refused(net, ik.Sharing(net).tie("*.weight"), "'1.weight' cannot be tied to '0.weight': a Trainer updates")
    assert "'0.weight' cannot" not in text and trainer.learning_rate
    ik.release(trainer)
    ik.Sharing(net).tie("*.weight").apply()  # what the message says mends it
    mx.gluon.Trainer(net.collect_params(), "sgd")


class Held(HybridBlock):
    """Holds a Constant, and parameters in ways from which they cannot be taken."""

    def __init__(self):
        super().__init__()
        self.value = constant(self, "value", [[1.0, 2.0], [3.0, 4.0]])
        self.weight = declared(self, "weight", shape=(2, 2))
        self.both = [self.weight]
        if not GLUON_2:
            self.params.get("unregistered", shape=(2, 2))


def held():
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=2), Held())
    return net


def test_constant():
    net = held()
    refused(net, ik.Sharing(net).tie("0.weight", "1.value"), "'1.value' cannot be tied to '0.weight'", "Constant")


def test_a_parameter_that_its_block_holds_elsewhere_too():
    net = held()
    refused(net, ik.Sharing(net).tie("0.weight", "1.weight"), "'1.weight' cannot take the parameter of '0.weight'",
            "1.both holds it too", "to='1.weight'")  # fmt: skip
    ik.Sharing(net).tie("0.weight", to="1.weight").apply()
    assert net[0].weight is net[1].both[0]


def test_a_parameter_that_another_block_holds():
    net = run(dense(4, 4))
    net.add(nn.Flatten())
    net[2].kept = {"here": net[1].weight}
    refused(net, ik.Sharing(net).tie("*.weight"), "'1.weight' cannot take", "2.kept holds it too")
    ik.Sharing(net).tie("*.weight", to="1.weight").apply()
    assert net[0].weight is net[2].kept["here"]


@pytest.mark.mxnet1("parameters that are no attribute")
def test_a_parameter_that_is_no_attribute():
    net = held()
    refused(net, ik.Sharing(net).tie("0.weight", "1.unregistered"), "'1.unregistered' cannot take", "no attribute")
    ik.Sharing(net).tie("0.weight", to="1.unregistered").apply()
    assert net[0].weight is net[1].params.get("unregistered")


def test_a_symbol_blocks_graph_names_its_parameters():
    symbol = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=4, name="fc")
    net = dense(4)
    net.add(mx.gluon.SymbolBlock(symbol, mx.sym.var("data")))
    path = f"1.{'fc_' * GLUON_2}weight"
    refused(net, ik.Sharing(net).tie("*weight"), f"{path!r} cannot take the parameter of '0.weight'", "SymbolBlock")
    ik.Sharing(net).tie("0.weight", to=path).apply()
    if not GLUON_2:  # whose hybrid blocks may not call a SymbolBlock while they are hybridized
        run(net)
    assert net[0].weight is net[1].params["fc_weight"]


def test_a_parameter_of_another_network():
    net, stranger = run(dense(4, 4)), dense(4)
    weight = stranger[0].weight
    refused(net, ik.Sharing(net).tie("0.weight", weight), f"the parameter {weight.name!r} is not in this network")
    called = repr("Dense" if GLUON_2 else stranger[0].name)
    refused(net, ik.Sharing(net).tie_blocks("0", stranger[0]), called, "not in this network")


def showing(*weights):
    """A network that shows these parameters, each in a block of its own; then a dense layer."""
    net = nn.HybridSequential()
    for weight in weights:
        block = nn.HybridSequential()
        block.weight = weight
        net.add(block)
    net.add(nn.Dense(4, in_units=4, flatten=False))
    return net


def test_a_parameter_of_another_network_that_shows_transposed():
    strangers = run(dense(4, 4)), run(dense(4, 4))
    for stranger in strangers:
        ik.Sharing(stranger).tie("1.weight", "0.weight", transpose=True).apply()
    net = showing(*(stranger[1].weight for stranger in strangers))
    text = "{} cannot be tied: '0.weight' is to be kept, and shows transposed a parameter that has no path"
    three, two = (text.format("'0.weight', '1.weight'" + more) for more in (", '2.weight'", ""))
    values = strangers[0][0].weight.data().asnumpy()
    for target in ("*.weight", re.compile("weight$"), lambda info: info.role == "weight"):
        refused(net, ik.Sharing(net).tie(target), three, "to='2.weight'")
    refused(net, ik.Sharing(net).tie("2.weight", to="0.weight"), "'2.weight' cannot be tied", "to='2.weight'")
    refused(net, ik.Sharing(net).tie("0.weight", "1.weight"), two, "add the block that has it untransposed")
    ik.Sharing(net).tie("0.weight", "1.weight", to="2.weight").apply()  # what the messages say mends it
    assert net[0].weight is net[1].weight is net[2].weight
    assert strangers[0][0].weight.data().asnumpy().tolist() == values.tolist()
    net = showing(strangers[0][1].weight)
    net.add(strangers[0][0])
    ik.Sharing(net).tie("0.weight", "1.weight").apply()
    assert net[2].weight is strangers[0][0].weight and net[1].weight.shape == (4, 4)


@pytest.mark.parametrize("frozen", [False, True])
def test_gamma_across_scale(frozen):
    """With scale=False the operator writes 1 over its gamma, even in evaluation."""
    net = nn.HybridSequential()
    net.add(nn.BatchNorm(in_channels=4), nn.BatchNorm(in_channels=4, scale=False), nn.LayerNorm(in_channels=4))
    run(net)
    if frozen:
        for param in net.collect_params().values():
            param.grad_req = "null"
    refused(net, ik.Sharing(net).tie("0.gamma", "1.gamma"), "'1.gamma' and '0.gamma'",
            "scale=False" if frozen else "grad_req")  # fmt: skip
    refused(net, ik.Sharing(net).tie("2.gamma", "1.gamma"), "'2.gamma' and '1.gamma'")


class Doubled(mx.gluon.Parameter):
    """A subclass that makes something of its values, as GluonNLP's WeightDropParameter does."""

    def __init__(self, *args, factor=2, **kwargs):
        super().__init__(*args, **kwargs)
        self.factor = factor

    def data(self, ctx=None):
        return super().data(ctx) * self.factor


def doubled(*factors):
    net = dense(4)
    for number, factor in enumerate(factors):
        block = nn.HybridSequential()
        block.weight = Doubled(f"doubled{number}_weight", shape=(4, 4), factor=factor)
        net.add(block)
    return net


def test_a_subclass_is_kept_or_refused_and_never_flattened():
    net = doubled(2, 3, 2)
    refused(net, ik.Sharing(net).tie("0.weight", "1.weight"), "'1.weight' and '0.weight' are of different kinds",
            "to='1.weight'")  # fmt: skip
    refused(net, ik.Sharing(net).tie("1.weight", "2.weight"), "'2.weight' and '1.weight' are of different kinds")
    ik.Sharing(net).tie("0.weight", "3.weight", to="1.weight").apply()
    assert net[0].weight is net[1].weight is net[3].weight and type(net[0].weight) is Doubled
    net[0].initialize(mx.init.One())
    assert net[0](nd.ones((1, 4))).asnumpy().tolist() == [[8, 8, 8, 8]]


def test_values_that_have_no_average():
    net = dense(4, 4)
    net.cast("int32")
    net.initialize(mx.init.One())
    refused(net, ik.Sharing(net).tie("*.weight"), "'0.weight' has no average", "values='keep'", values="average")


def test_conflicting_to():
    net = run(dense(4, 4, 4))
    sharing = ik.Sharing(net).tie("0.weight", to="1.weight").tie("0.weight", to="2.weight")
    refused(net, sharing, "'1.weight' and '2.weight' are both given as to=")


def test_its_own_transpose():
    net = run(dense(4, 4))
    sharing = ik.Sharing(net).tie("*.weight").tie("0.weight", "1.weight", transpose=True)
    refused(net, sharing, "'0.weight' and '1.weight' are tied transposed, and by other ties not")


def test_all_problems_come_in_one_error():
    net = run(dense(4, 3))
    net[1].bias.lr_mult = 2
    sharing = ik.Sharing(net).tie("*.weight").tie("*.bias").tie("0.weigth", "0.bias").tie("1.bias")
    text = refused(net, sharing, "5 problems", "no parameter has the path '0.weigth'; did you mean '0.weight'",
                   "tie('1.bias') names '1.bias' alone", "'1.weight' and '0.weight' differ in shape",
                   "'1.bias' and '0.bias' differ in lr_mult", "'1.bias' and '0.bias' differ in shape")  # fmt: skip
    assert text.count("\n") == 5
