"""`initialize`: the kit's front door. Decide for every parameter, check everything, draw, and only then change.

The drawing and changing itself is `transaction`'s.
"""

import re
import time
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from .._mxnet import backend, mx
from .._mxnet.arrays import classic
from .._mxnet.containers import unregistered_blocks
from .._mxnet.initializers import is_verbose, print_filled
from .._mxnet.instrument.notify import emit
from .._mxnet.parameter import allows_deferral, arrays_of, context_argument, contexts_of, is_constant, shape_of
from .._mxnet.rng import draw_seed
from .._mxnet.stale_graphs import stale_graphs
from .._mxnet.trainer import trainer_objection
from .._mxnet.tree import path_clashes, refuse_path_clashes, walk
from ..display import counted, counted_of, listed, printable, shape_text, warn
from ..parameters import ParameterInfo, context_mismatch, did_you_mean_path, list_parameters, made
from ..shapes import is_known
from .corrected import Corrected, corrected
from .dispatch import Choice, choose, refuse_uncovered
from .errors import InitializationError
from .fill import Draw
from .initializer import warn_of_misspelt
from .report import InitReport, InitRow
from .serialization import shown, writable, written
from .transaction import draw_all

__all__ = ["initialize"]

Key = Union[None, Mapping[str, str], Callable[[str], str]]


def initialize(
    net: Any,
    init: Any = mx.init.Uniform(),  # noqa: B008 (MXNet's own signature)
    ctx: Any = None,
    seed: Optional[int] = None,
    force_reinit: bool = False,
    progress: Optional[bool] = None,
    *,
    key: Key = None,
    device: Any = None,
) -> InitReport:
    """Initialize a network: every hook called, every value a function of the seed and its parameter's path.

    ``value = f(seed, path, shape, dtype, initializer's configuration)``: the same bits whether a layer is deferred or
    not, in whatever order layers were made, hybridized or not, on any number of contexts, threads, processes and
    machines. A parameter whose shape is not known yet stays deferred and gets its values in the first forward pass.

    Parameters
    ----------
    net : Block
    init : Initializer or str
        One of ours, one of MXNet's (which serves as ``corrected(init)``), `Rules`, or a registered name.
    ctx : Context or list of Context, optional
        Where the parameters live; the current context by default. Several get the same values.
    seed : int, optional
        Drawn from MXNet's generator by default, so ``mx.random.seed(7)`` alone makes a script repeatable.
    force_reinit : bool
        Whether to initialize again what is initialized. Otherwise that is left alone, with a warning; and so is what
        is pending, from an earlier call of this function or of Gluon's own (there the second call would win), so that
        deferred and other layers are treated alike. Arrays that fit are refilled in place, so cached graphs and whoever
        holds them see the new values; gradients become 0, and a Trainer goes on from the new values without momentum.
    progress : bool, optional
        Whether to show a progress bar; by default where it takes longer than a second, on a terminal or in Jupyter.
    key : dict or callable, optional
        What stands for a path in the function above: ``{'encoder.0.weight': 'body.0.weight'}``, or a callable that
        gets the path, so that renamed parameters keep their values.
    device : Device or list of Device, optional
        What MXNet 2 calls `ctx`.

    Returns
    -------
    InitReport
        The seed, and for each parameter what happened to it.

    Raises
    ------
    InitializationError
        Nothing serves a parameter (all of them are listed), a hook failed or wrote NaN, a shape is unknown that may not
        be, or a Trainer holds the values elsewhere. Every parameter is then as it was.
    TypeError, ValueError
        An argument is none of the above, or two parameters of the network have one path.

    Notes
    -----
    A hook of one's own finds its random numbers in ``desc.rng``. One that calls ``mx.nd.random``, ``np.random`` or
    ``random`` instead is keyed too: those generators are seeded before it runs; afterwards NumPy's and Python's are as
    they were, and MXNet's goes on from a value that was drawn from it before.

    What a signal's handler raises (Ctrl-C, a time-out by SIGALRM) comes before anything has changed, or after all has:
    while arrays are refilled in place, which takes a second or more in a large network, signals wait.

    Examples
    --------
    >>> net = mx.gluon.nn.HybridSequential()
    >>> net.add(mx.gluon.nn.Dense(4), mx.gluon.nn.Dense(2, in_units=4))
    >>> report = initialize(net, mx.init.Xavier(), seed=7)
    >>> [(row.path, row.state) for row in report]
    [('0.weight', 'deferred'), ('0.bias', 'initialized'), ('1.weight', 'initialized'), ('1.bias', 'initialized')]
    """
    start = time.perf_counter()
    chosen, described, ctxs = corrected(init), list_parameters(net), _contexts(context_argument(ctx, device))
    refuse_path_clashes(path_clashes(net))
    names = _names(key, [info for _, _, info in described])
    if seed is not None and (isinstance(seed, bool) or not hasattr(seed, "__index__")):
        order = "; in MXNet's order of arguments this is verbose, and force_reinit comes next: write force_reinit=True"
        raise TypeError(f"seed is {seed!r}: expected an integer or None{order if isinstance(seed, bool) else ''}")
    if force_reinit not in (True, False):
        raise TypeError(f"force_reinit is {force_reinit!r}: expected True or False")
    # What is pending counts as initialized, so that it does not matter whether a layer is deferred.
    todo = [each for each in described if force_reinit or each[2].state == "uninitialized"]
    choices = _choices(chosen, described, todo)
    _check(todo, choices, ctxs)
    seed = draw_seed() if seed is None else int(seed.__index__())
    configurations: Dict[int, str] = {}
    draws = [
        Draw(param, info, choice, chosen, (seed, names[info.label], *_configuration(choice, configurations)), ctxs)
        for (param, _, info), choice in zip(todo, choices)
    ]
    for draw in draws:
        emit(draw.param, "initialize", initializer=draw.choice.initializer, hook=draw.choice.hook,
             force_reinit=force_reinit)  # fmt: skip
    written_bytes = draw_all(draws, progress)
    for draw in draws:
        draw.param.init = writable(draw.param.init)
    _log(draws, chosen)
    if len(todo) < len(described):
        warn(_kept(described, todo, ctxs, asked=ctx is not None or device is not None))
    for lost in (*unregistered_blocks(walk(net)), *stale_graphs(net)):
        warn(str(lost))
    rows = _rows(described, {id(draw.param): draw for draw in draws})
    inner = chosen.initializer if isinstance(chosen, Corrected) else chosen
    return InitReport(rows, seed, time.perf_counter() - start, written_bytes, shown(inner))


def _kept(described: Sequence[tuple], todo: Sequence[tuple], ctxs: List[Any], asked: bool) -> str:
    """What to say of parameters that hold values, or the promise of them."""
    chosen = {id(param) for param, _, _ in todo}
    kept = [(param, info) for param, _, info in described if id(param) not in chosen]
    paths = [f"{info.label} (pending)" if info.state == "deferred" else info.label for _, info in kept]
    count = counted_of(len(kept), len(described), "parameter", "is", "are")
    text = f"{count} already initialized, ignoring: {listed(paths)}. Set force_reinit=True to re-initialize."
    placed = [(info.label, contexts_of(param)) for param, info in kept]
    elsewhere = context_mismatch([*placed, *((info.label, ctxs) for _, _, info in todo)])
    if elsewhere is not None:
        text += f" {elsewhere}"
    elif asked and placed[0][1] != tuple(ctxs):
        there, wanted = (", ".join(map(str, each)) for each in (placed[0][1], ctxs))
        text += f" They stay on {there}, not on {wanted}. {backend.reset_call} puts all on the same."
    return text


def _contexts(ctx: Any) -> List[Any]:
    ctxs = [backend.current_context()] if ctx is None else list(ctx) if isinstance(ctx, (list, tuple)) else [ctx]
    if not ctxs or not all(isinstance(each, backend.Context) for each in ctxs):
        raise TypeError(f"ctx (device) is {ctx!r}: expected a {backend.Context.__name__} such as mx.cpu(), or a list "
                        f"of them")  # fmt: skip
    if len(set(map(str, ctxs))) < len(ctxs):
        raise ValueError(f"ctx names a context twice: {ctxs!r}")
    return ctxs


def _names(key: Key, infos: Sequence[ParameterInfo]) -> Dict[str, str]:
    """What stands for each path in the key."""
    paths = [info.label for info in infos]
    if key is None:
        return dict(zip(paths, paths))
    if isinstance(key, Mapping):
        for path in key:
            if path not in paths:
                hint = did_you_mean_path(path, infos)
                raise ValueError(printable(f"key= names {path!r}, which is no parameter's canonical path; {hint}"))
        names = {path: key.get(path, path) for path in paths}
    elif callable(key):
        names = {path: key(path) for path in paths}
    else:
        raise TypeError(f"key is {key!r}: expected a dict of paths, or a callable that gets a path")
    owner: Dict[str, str] = {}
    for path, name in names.items():
        if not isinstance(name, str):
            raise TypeError(f"key= gives {name!r} for {path!r}: expected a str")
        if name in owner:
            raise ValueError(f"key= gives {name!r} for both {owner[name]!r} and {path!r}, which would be drawn alike")
        owner[name] = path
    return names


def _choices(init: Any, described: Sequence[tuple], todo: Sequence[tuple]) -> List[Choice]:
    """Which initializer fills each parameter to do; one error where any has none."""
    found = [choose(init, info, param.init or place.symbol_init, is_constant(param)) for param, place, info in todo]
    refuse_uncovered([info for _, _, info in todo], found)
    init._review([(info, param.init or place.symbol_init, is_constant(param)) for param, place, info in described])
    own = [param.init for param, _, _ in described if isinstance(param.init, mx.init.Initializer)]
    named = set(map(type, init._targets()))
    warn_of_misspelt([each for each in own if type(each) not in named], [info for _, _, info in described])
    return [each for each in found if isinstance(each, Choice)]


def _check(todo: Sequence[tuple], choices: Sequence[Choice], ctxs: List[Any]) -> None:
    problems = []
    for param, _, info in todo:
        name = printable(info.label)
        if not is_known(shape_of(param)) and not allows_deferral(param):
            problems.append(f"{name}: its shape is {shape_text(info.shape)} and it may not be deferred; give "
                            f"the layer its input size, or the parameter allow_deferred_init=True")  # fmt: skip
        objection = trainer_objection(param, ctxs)
        if objection is not None:
            problems.append(f"{name}: {'; '.join(objection)}")
    if problems:
        listed = "".join(f"\n  {problem}" for problem in problems)
        raise InitializationError(f"{counted(len(problems), 'parameter')} cannot be initialized:{listed}")


def _configuration(choice: Choice, seen: Dict[int, str]) -> Tuple[str, str]:
    if id(choice.initializer) not in seen:
        # An object's repr may hold its address, which is another in every process.
        seen[id(choice.initializer)] = re.sub(r" at 0x[0-9a-fA-F]+", "", written(choice.initializer))
    return seen[id(choice.initializer)], choice.hook


def _log(draws: Sequence[Draw], init: Any) -> None:
    """What `set_verbosity` asked for."""
    for draw in draws:
        for each in (init, draw.choice.initializer):
            if is_verbose(each) and arrays_of(draw.param):
                name = mx.init.InitDesc(draw.param.name)
                print_filled(each, name, draw.choice.hook, classic(arrays_of(draw.param)[0]))
                break


def _rows(described: Sequence[tuple], draws: Dict[int, Draw]) -> Tuple[InitRow, ...]:
    rows = []
    texts = {id(each): shown(each) for each in {id(draw.choice.initializer): draw.choice.initializer
                                                for draw in draws.values()}.values()}  # fmt: skip
    for param, _, info in described:
        draw = draws.get(id(param))
        facts = {"path": info.label, "aliases": info.aliases, "name": info.name, "role": info.role,
                 "dtype": info.dtype}  # fmt: skip
        if draw is None:
            facts.update(shape=info.shape, state="kept", initializer=None, hook=None, why="", key=None)
        else:
            state, key = ("initialized", draw.key.hex()) if draw.known else ("deferred", None)
            facts.update(shape=draw.shape, state=state, initializer=texts[id(draw.choice.initializer)],
                         hook=draw.choice.hook, why=draw.choice.why, key=key)  # fmt: skip
        rows.append(made(InitRow, facts))
    return tuple(rows)
