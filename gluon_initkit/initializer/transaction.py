"""`draw_all`: a whole network is drawn and changed, or nothing of it is.

What may fail (a user's hook, memory) happens in arrays that no parameter holds yet, and any signal may break it off.
What is changed then is done while signals wait, and undone when MXNet refuses. Arrays that a law refills in place come
last: their old values are gone with the first new one, so what has begun there is finished.
"""

from contextlib import ExitStack
import math
from typing import Any, List, Optional, Sequence

from .._mxnet import mx
from .._mxnet.arrays import is_host, wait_to_read, wait_to_write
from .._mxnet.interrupts import interrupts_held
from .._mxnet.parameter import arrays_of, gradients_of
from .._mxnet.rng import seeded_generators
from .._mxnet.state import after_refill, gradients_to_clear, restoring
from .._mxnet.trainer import reset_updates
from ..parallel import run
from .distributions import Law
from .fill import Draw, cleared
from .filling import Bar

__all__ = ["draw_all"]


def draw_all(draws: Sequence[Draw], progress: Optional[bool]) -> int:
    """Draw everything, then change everything; the bytes of parameters that were drawn."""
    known = [draw for draw in draws if draw.known]
    laws = {draw: draw.law() for draw in known}
    # A law refills in place what fits; what may fail, or lies on a device, is made beside it and copied in.
    refill = dict.fromkeys(draw for draw in known if draw.fits)
    direct = dict.fromkeys(draw for draw in refill if isinstance(laws[draw], Law) and is_host(draw.ctxs[0]))
    total = sum(_bytes(draw) for draw in known)
    with interrupts_held() as released, ExitStack() as stack:
        stack.enter_context(mx.autograd.pause())  # where MXNet records, it refuses a write into a parameter
        bar = stack.enter_context(Bar(total, progress))
        hooks = any(law is None for law in laws.values())
        reseed = stack.enter_context(seeded_generators()) if hooks else _never
        with released():
            jobs = []
            for draw in known:
                if draw not in direct:
                    jobs += draw.prepared(laws[draw], reseed)
                    bar.advance(_bytes(draw) if laws[draw] is None else 0)
                if draw not in refill:
                    jobs += bar.expecting(draw.prepared_gradients())
            run(jobs, bar)
            wait_to_write(array for draw in refill for array in _held(draw))
        fresh = [draw for draw in draws if draw not in refill]
        with restoring([draw.param for draw in fresh]):
            for draw in fresh:
                draw.commit()
            jobs = [job for draw in direct for job in draw.jobs(laws[draw], arrays_of(draw.param)[0])]
        grads = [grad for draw in refill for grad in gradients_to_clear(draw.param)]
        jobs += bar.expecting([job for grad in grads for job in cleared(grad)])
        try:
            run(jobs, bar)
        except BaseException:  # from the bar, or from threads that do not start
            for _, job in jobs:
                job()
            raise
        finally:
            for draw in refill:
                after_refill(draw.param, draw.array)
            for draw in fresh:
                reset_updates(draw.param)
        wait_to_read(array for draw in draws for array in _held(draw))
    return total * (len(draws[0].ctxs) if draws else 0)


def _held(draw: Draw) -> List[Any]:
    return [*arrays_of(draw.param), *gradients_of(draw.param)]


def _bytes(draw: Draw) -> int:
    return draw.dtype.itemsize * math.prod(draw.shape)


def _never(key: bytes) -> None:
    raise AssertionError("no hook was to run")
