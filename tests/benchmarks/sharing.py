"""How sharing grows with the number of aliases: every pass at 1x, 2x and 4x, in seconds, and how much 4x is of 1x.

Linear is 4. At the default 4x is 100,000 aliases. Sizes are alternated and the medians taken.

    python tests/benchmarks/sharing.py [--json] [--rounds 3] [--aliases 25000] [--only merge]
"""

import argparse
import gc
import json
import os
import random
import statistics
import tempfile
import time

import gluon_initkit as ik
from gluon_initkit._mxnet.tree import places
from gluon_initkit.parameters import list_parameters
from gluon_initkit.sharing.targets import Tie, merge
import mxnet as mx
from mxnet.gluon import nn
from rich.console import Console
from rich.table import Table


class One(nn.HybridBlock):
    """The smallest block with a parameter."""

    def __init__(self):
        super().__init__(prefix="one_")
        self.weight = self.params.get("weight", shape=(1,))


def network(count, shared):
    """`count` blocks under one, a parameter in each; `shared`: one block under `count` names."""
    net, block = nn.HybridSequential(), One()
    for number in range(count):
        net.register_child(block if shared else One(), str(number))
    return net


def passes(count):
    """Every pass over `count` aliases, by name: a function that prepares, and the one that is timed."""
    paths = [f"{number}.weight" for number in range(count)]
    chain = [Tie(pair) for pair in zip(paths, paths[1:])]
    shuffled = random.Random(7).sample(chain, len(chain))
    tied = network(count, shared=True)
    tied.initialize()
    groups = ik.shared_groups(tied)
    file = os.path.join(tempfile.mkdtemp(), "x.params")
    star = [Tie((paths[-1], path)) for path in paths[:-1]]
    yield "merge, a star", None, lambda: merge(star, paths)
    yield "merge, a chain", None, lambda: merge(chain, paths)
    yield "merge, a chain backwards", None, lambda: merge(chain[::-1], paths)
    yield "merge, a shuffled chain", None, lambda: merge(shuffled, paths)
    yield "places", None, lambda: places(tied)
    yield "describe", None, lambda: list_parameters(tied)
    yield "shared_groups", None, lambda: ik.shared_groups(tied)
    yield "check_sharing", None, lambda: ik.check_sharing(tied, groups)
    yield "save", None, lambda: ik.save(tied, file)
    yield "load", lambda: ik.save(tied, file), lambda: ik.load(tied, file)
    # The builder's own: parameters that are still apart, each of which is checked against the others and exchanged.
    apart = lambda: network(count, shared=False)  # noqa: E731
    yield "Sharing, dry run", apart, lambda net: ik.Sharing(net).tie("*").apply(dry_run=True)
    yield "Sharing, apply", apart, lambda net: ik.Sharing(net).tie("*").apply()


def seconds(prepared, call):
    """How long `call` takes; what `prepared` makes, if it makes anything, is handed to it."""
    given = prepared() if prepared else None
    mx.nd.waitall()
    gc.collect()  # of what the last pass left, which is not this one's cost
    start = time.perf_counter()
    call() if given is None else call(given)
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--aliases", type=int, default=25_000, help="how many 1x is")
    parser.add_argument("--only", default="", help="how the passes' names begin")
    asked = parser.parse_args()
    sizes = [asked.aliases * factor for factor in (1, 2, 4)]
    rows = []
    for sides in zip(*map(passes, sizes)):
        if not sides[0][0].startswith(asked.only):
            continue
        times = [[seconds(*side[1:]) for side in sides] for _ in range(asked.rounds)]
        medians = [statistics.median(each) for each in zip(*times)]
        rows.append({"pass": sides[0][0], "seconds": medians, "growth": medians[2] / medians[0]})
    if asked.json:
        print(json.dumps({"mxnet": mx.__version__, "aliases": sizes, "rows": rows}))
        return
    table = Table("pass", *(f"{size:,}, s" for size in sizes), "4x over 1x")
    for row in rows:
        table.add_row(row["pass"], *(f"{each:.3f}" for each in row["seconds"]), f"{row['growth']:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
