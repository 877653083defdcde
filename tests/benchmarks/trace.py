"""What a trace costs: ResNet-50's first and later passes inside ``with ik.trace(net)``, beside the same without.

Both sides are alternated in one run and the medians are compared; `mx.nd.waitall()` is inside every time. Each first
pass is of a network that was just built. "later" takes the passes of one network in turns, with and without a trace.

    python tests/benchmarks/trace.py [--json] [--rounds 9] [--only hybrid] [--network resnet50_v1]
"""

import argparse
import contextlib
import gc
import json
import statistics
import time

import gluon_initkit as ik
import mxnet as mx
from rich.console import Console
from rich.table import Table


def network(name, hybrid):
    net = mx.gluon.model_zoo.vision.get_model(name)
    net.initialize(mx.init.Xavier())
    if hybrid:
        net.hybridize()
    return net


def seconds(net, data):
    gc.collect()  # the networks before, whose blocks refer to each other
    mx.nd.waitall()
    start = time.perf_counter()
    net(data)
    mx.nd.waitall()
    return time.perf_counter() - start


def traced_or_not(net, traced):
    return ik.trace(net) if traced else contextlib.nullcontext()


def first(name, hybrid, data, traced):
    net = network(name, hybrid)
    with traced_or_not(net, traced):
        return seconds(net, data)


def later(net, data, traced):
    """One later pass. A trace that is entered now is as one that saw the first pass: the network's wrapper is left."""
    with traced_or_not(net, traced):
        return seconds(net, data)


def alternated(measure, rounds):
    """Pairs of seconds, plain and traced, either side first in turns."""
    pairs = []
    for number in range(rounds):
        times = {traced: measure(traced) for traced in ((False, True) if number % 2 else (True, False))}
        pairs.append((times[False], times[True]))
    return pairs


def compared(name, rounds, only):
    data = mx.nd.random.uniform(shape=(1, 3, 224, 224))
    for what, hybrid in (("imperative", False), ("hybrid", True)):
        if only not in (None, what):
            continue
        first(name, hybrid, data, True)  # warming up
        net = network(name, hybrid)
        net(data)
        firsts = alternated(lambda traced, hybrid=hybrid: first(name, hybrid, data, traced), rounds)
        laters = alternated(lambda traced, net=net: later(net, data, traced), 10 * rounds)
        for when, measured in (("first", firsts), ("later", laters)):
            plain, traced = (statistics.median(side) for side in zip(*measured))
            ratio = statistics.median(b / a for a, b in measured)
            yield {"network": name, "pass": when, "kind": what, "plain": plain, "traced": traced,
                   "ratio of medians": traced / plain, "median of ratios": ratio}  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", choices=["imperative", "hybrid"])
    parser.add_argument("--network", default="resnet50_v1")
    arguments = parser.parse_args()
    rows = list(compared(arguments.network, arguments.rounds, arguments.only))
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return
    table = Table("network", "pass", "kind", "plain, ms", "traced, ms", "ratio of medians", "median of ratios")
    for row in rows:
        milliseconds = (f"{row[side] * 1e3:.1f}" for side in ("plain", "traced"))
        ratios = (f"{row[way]:.3f}" for way in ("ratio of medians", "median of ratios"))
        table.add_row(row["network"], row["pass"], row["kind"], *milliseconds, *ratios)
    Console().print(table)


if __name__ == "__main__":
    main()
