"""`untie`: a path gets a parameter of its own again, however the tie was made."""

from typing import Any, List

from .._mxnet import backend
from .._mxnet.arrays import wait_for
from .._mxnet.parameter import arrays_of, source_of
from .._mxnet.state import interrupts_held
from .._mxnet.ties import Move, Slot, exchange, independent_copy, slots
from .._mxnet.trainer import is_trained
from .._mxnet.tree import parameters_by_path, parameters_in_containers
from ..parameters import check_block, did_you_mean_path, list_parameters, named_memory_errors
from .checks import why_fixed
from .errors import SharingError, sharing_refused


def untie(net: Any, path: str) -> None:
    """Give one path of a shared parameter its own copy: values, gradients, initializer, multipliers.

    The other paths go on sharing. It is done as a whole, or not at all.

    Parameters
    ----------
    net : Block
        As for `Sharing`.
    path : str
        A path of a shared parameter, ``'decoder.weight'``.

    Raises
    ------
    SharingError
        The path shares nothing, or cannot get a parameter of its own; the message says why.

    Examples
    --------
    >>> net = mx.gluon.nn.HybridSequential()
    >>> net.add(*ik.shared_layers(lambda: mx.gluon.nn.Dense(4, in_units=4), n=2))
    >>> untie(net, "1.weight")
    >>> net[1].weight is net[0].weight, net[1].bias is net[0].bias
    (False, True)
    """
    check_block(net)
    all_slots = slots(net)
    slot = next((each for each in all_slots if each.path == path), None)
    if slot is None:
        hint = did_you_mean_path(path, [info for _, _, info in list_parameters(net)])
        raise sharing_refused([f"no parameter has the path {path!r}; {hint}"])
    source = source_of(slot.param)
    others = [each for each in all_slots if source_of(each.param) is source and each is not slot]
    wrong = _problems(slot, others)
    if wrong:
        raise sharing_refused(wrong)
    leaving, transposed = [slot], slot.param is not source
    if not transposed and all(each.param is not source for each in others):
        leaving, transposed = others, True  # all others see it transposed: they get one that needs no transposing
    with named_memory_errors(path, source, SharingError):
        copy = independent_copy(source, _free_name(net, leaving[0]), transposed)
        wait_for(arrays_of(copy))
    moves: List[Move] = [(each, copy) for each in leaving]
    with interrupts_held(), exchange(net, moves):
        pass


def _problems(slot: Slot, others: List[Slot]) -> List[str]:
    if not others:
        return [f"{slot.path!r} shares its parameter with no other path; shared_groups(net) tells what is shared"]
    wrong = []
    parted = f"{slot.path!r} and {others[0].path!r} cannot be parted:"
    same = [each.path for each in others if each.block is slot.block and each.key == slot.key]
    if same:
        wrong.append(f"{slot.path!r} and {same[0]!r} are one parameter of one block that stands in the network twice, "
                     f"where no slot of its own is: build two blocks and tie what they share")  # fmt: skip
    reason = why_fixed(slot, parameters_in_containers([(slot.path.rpartition(".")[0], slot.block)]))
    if reason:
        wrong.append(f"{parted} {reason}; untie the other path")
    if is_trained(source_of(slot.param)):
        wrong.append(f"{parted} a Trainer updates their parameter, and would not update the copy; call "
                     f"gluon_initkit.release(trainer), untie, and make another Trainer")  # fmt: skip
    return wrong


def _free_name(net: Any, slot: Slot) -> str:
    """The name that Gluon would have given, or the next one that is free."""
    taken = {param.name for param in parameters_by_path(net).values()}
    name = wanted = f"{backend.prefix_of(slot.block)}{slot.key}"
    number = 1
    while name in taken:
        name, number = f"{wanted}{number}", number + 1
    return name
