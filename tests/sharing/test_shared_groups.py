"""What is shared is found however it was made, and a lost tie is named by both its paths."""

import pickle

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import pytest
from vocabulary import GLUON_2, nd, tied


def dense(**kwargs):
    return nn.Dense(4, in_units=4, **kwargs)


def sequential(*layers):
    net = nn.HybridSequential()
    net.add(*layers)
    return net


class Turned(mx.gluon.Parameter):
    """A parameter that shows another transposed, as far as finding groups asks."""

    def __init__(self, donor):
        super().__init__(f"{donor.name}_turned", shape=donor.shape[::-1])
        self.transposed_of = donor


class Holder(nn.HybridBlock):
    """A block with the parameters that it is given."""

    def __init__(self, **params):
        super().__init__()
        for name, param in params.items():
            setattr(self, name, param)


def weight(name="w", shape=(2, 3)):
    return mx.gluon.Parameter(name, shape=shape)


def shared_by_params():
    first = dense()
    return sequential(first, tied(dense, first))


def shared_by_one_block_twice():
    layer = dense()
    return sequential(layer, layer)


def shared_by_hand():
    """As GluonNLP's models did it: the parameter put into another block's registry. MXNet 2 lets one assign it."""
    first, second = dense(), dense()
    for name in ("weight", "bias"):
        if GLUON_2:
            setattr(second, name, getattr(first, name))
        else:
            second._reg_params[name] = first._reg_params[name]
    return sequential(first, second)


@pytest.mark.parametrize("make", [shared_by_params, shared_by_one_block_twice, shared_by_hand])
@pytest.mark.parametrize("state", ["uninitialized", "initialized", "hybridized"])
def test_groups_however_they_were_made(make, state):
    net = make()
    if state != "uninitialized":
        net.initialize()
    if state == "hybridized":
        net.hybridize()
        net(nd.ones((1, 4))).wait_to_read()
    expected = (ik.SharedGroup("0.weight", ("1.weight",)), ik.SharedGroup("0.bias", ("1.bias",)))
    assert ik.shared_groups(net) == expected
    ik.check_sharing(net, expected)


def test_one_parameter_under_two_attributes_of_one_block():
    param = weight()
    net = Holder(first=param, other=weight("o"), second=param)
    assert ik.shared_groups(net) == (ik.SharedGroup("first", ("second",)),)


def test_nothing_shared_and_deferred_layers():
    assert ik.shared_groups(sequential(dense(), nn.Dense(3))) == ()
    layer = nn.Dense(4)
    assert [group.canonical for group in ik.shared_groups(sequential(layer, layer))] == ["0.weight", "0.bias"]


def test_two_parameters_over_one_buffer_are_no_tie():
    net = sequential(dense(use_bias=False), dense(use_bias=False))
    net.initialize()
    net[1].weight._data = net[0].weight._data
    assert ik.shared_groups(net) == ()


def test_a_transposed_tie_is_found_and_named_by_where_the_values_lie():
    donor = weight()
    net = Holder(turned=Turned(donor), plain=donor, again=donor)
    (group,) = ik.shared_groups(net)
    assert group == ik.SharedGroup("plain", ("turned", "again"), ("turned",))
    assert group.paths == ("plain", "turned", "again")
    ik.check_sharing(net, group)


def test_two_transposes_of_an_outside_parameter_are_tied_untransposed():
    donor = weight()
    net = Holder(one=Turned(donor), other=Turned(donor), back=Turned(Turned(donor)))
    assert ik.shared_groups(net) == (ik.SharedGroup("back", ("one", "other"), ("one", "other")),)
    assert ik.shared_groups(Holder(one=Turned(donor), other=Turned(donor))) == (ik.SharedGroup("one", ("other",)),)


def test_groups_are_plain_data():
    groups = ik.shared_groups(shared_by_params())
    assert pickle.loads(pickle.dumps(groups)) == groups and len({*groups, *groups}) == 2


def test_finding_and_checking_change_nothing():
    net = shared_by_params()
    net.initialize()
    net.hybridize()
    net(nd.ones((1, 4))).wait_to_read()
    cached, before = net._cached_op, ik.fingerprint(net)
    ik.check_sharing(net, ik.shared_groups(net))
    assert net._cached_op is cached and ik.fingerprint(net) == before


def test_a_lost_tie_is_named_by_both_paths():
    groups = ik.shared_groups(shared_by_params())
    with pytest.raises(ik.SharingError) as caught:
        ik.check_sharing(sequential(dense(), dense()), groups)
    assert str(caught.value).splitlines() == [
        "2 ties are lost:",
        "  '1.weight' should share the parameter of '0.weight', and is another parameter.",
        "  '1.bias' should share the parameter of '0.bias', and is another parameter.",
        "Tie them again: gluon_initkit.Sharing(net).tie('1.weight', '0.weight').apply().",
    ]


def test_a_path_that_is_gone_is_a_lost_tie():
    with pytest.raises(ik.SharingError, match=r"1 tie is lost:\n.*'1.bias' should share .* has no parameter '1.bias'"):
        ik.check_sharing(sequential(dense(), dense(use_bias=False)), ik.SharedGroup("0.bias", ("1.bias",)))


def test_which_path_is_canonical_is_not_compared():
    ik.check_sharing(shared_by_params(), [ik.SharedGroup("1.weight", ("0.weight",))])


def test_a_tie_that_became_transposed_or_ceased_to_be():
    donor = weight(shape=(3, 3))
    asked = ik.SharedGroup("plain", ("other",), ("other",))
    with pytest.raises(ik.SharingError, match=r"'other' should share .* 'plain', transposed, and shares it untransp"):
        ik.check_sharing(Holder(plain=donor, other=donor), asked)
    with pytest.raises(ik.SharingError, match=r"of 'plain', and shares it transposed\.\n"):
        ik.check_sharing(Holder(plain=donor, other=Turned(donor)), ik.SharedGroup("plain", ("other",)))
    with pytest.raises(ik.SharingError, match=r"is another parameter.*\n.*tie\('other', 'plain', transpose=True\)"):
        ik.check_sharing(Holder(plain=donor, other=weight("z", (3, 3))), asked)


def test_reports_iterables_and_nonsense():
    class Report:
        groups = ik.shared_groups(shared_by_params())

    ik.check_sharing(shared_by_params(), Report())
    with pytest.raises(ik.SharingError, match="2 ties are lost"):
        ik.check_sharing(sequential(dense(), dense()), Report())
    with pytest.raises(TypeError, match="expected SharedGroup records, or a SharingReport, found '0.weight'"):
        ik.check_sharing(shared_by_params(), ["0.weight"])
    with pytest.raises(TypeError, match="expected a network"):
        ik.shared_groups(shared_by_params().collect_params())


def test_a_hundred_thousand_aliases_are_one_group():
    layer, net = dense(use_bias=False), nn.HybridSequential()
    for number in range(100_000):
        net.register_child(layer, str(number))
    (group,) = ik.shared_groups(net)
    assert group.canonical == "0.weight" and len(group.aliases) == 99_999


def test_a_transposed_tie_that_is_seen_from_its_other_end_holds():
    layer = dense()
    plain, turned = sequential(layer, dense()), sequential(dense(), layer)
    ik.Sharing(plain).tie("1.weight", to="0.weight", transpose=True).apply()
    ik.Sharing(turned).tie("0.weight", to="1.weight", transpose=True).apply()
    told = ik.SharedGroup("0.weight", ("1.weight",), ("1.weight",))
    for net in (plain, turned):
        ik.check_sharing(net, told)
        with pytest.raises(ik.SharingError, match="should share the parameter of '0.weight', and shares it transposed"):
            ik.check_sharing(net, ik.SharedGroup("0.weight", ("1.weight",)))
