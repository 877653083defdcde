"""How fast the inspector is: statistics beside `asnumpy()` and the same NumPy calls, and records beside building.

Each pair of sides is alternated and the medians are compared. The other side of "statistics" is what one types without
the kit, in float64 as the kit's numbers are: mean, std, min, max, norm, counts of 0, NaN and infinities, for every
parameter; of "full statistics", seven quantiles and a histogram of 50 bins as well. Of "records" it is building 5,000
small layers and initializing them; how long building alone took is shown beside it.

    python tests/benchmarks/inspecting.py [--json] [--rounds 5] [--only resnet50_v1]
"""

import argparse
import json
import statistics
import time

import gluon_initkit as ik
from gluon_initkit.inspector.survey import BINS, QUANTILES
from gluon_initkit.parallel import threads
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
from rich.console import Console
from rich.table import Table

NETWORKS = ("resnet50_v1", "vgg16")
LAYERS = 5000


def initialized(name):
    net = mx.gluon.model_zoo.vision.get_model(name)
    net.infer_shape(mx.nd.zeros((1, 3, 224, 224)))
    ik.initialize(net, mx.init.Xavier(), seed=1)
    mx.nd.waitall()
    return net


def plainly(net, full):
    """What one types without the kit."""
    found = {}
    for name, param in net.collect_params().items():
        array = param.data().asnumpy().astype(np.float64)
        finite = array[np.isfinite(array)]
        found[name] = (
            finite.mean(), finite.std(), finite.min(), finite.max(), np.linalg.norm(finite), (array == 0).sum(),
            np.isnan(array).sum(), np.isposinf(array).sum(), np.isneginf(array).sum(),
        )  # fmt: skip
        if full:
            found[name] += np.quantile(finite, QUANTILES), np.histogram(finite, BINS)
    return found


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def compared(first, second, rounds):
    """Median seconds of each side, alternated, after one round of warming up."""
    times = [(seconds(first), seconds(second)) for _ in range(rounds + 1)][1:]
    return [statistics.median(each) for each in zip(*times)]


def values(name, rounds, full):
    net = initialized(name)
    other, kit = compared(lambda: plainly(net, full), lambda: ik.inspect(net, stats="full" if full else True), rounds)
    return {"what": "full statistics" if full else "statistics", "network": name, "other": other, "kit": kit}


def built():
    net = nn.HybridSequential()
    net.add(*(nn.Dense(2, in_units=2) for _ in range(LAYERS)))
    return net


def records(rounds):
    times = []
    for _ in range(rounds + 1):
        nets = []
        building = seconds(lambda nets=nets: nets.append(built()))
        initializing = seconds(lambda nets=nets: (nets[0].initialize(), mx.nd.waitall()))
        times.append((building + initializing, seconds(lambda nets=nets: ik.inspect(nets[0])), building))
    other, kit, building = (statistics.median(each) for each in zip(*times[1:]))
    what = {"what": "records", "network": f"{2 * LAYERS:,} parameters"}
    yield {**what, "other": other, "kit": kit}
    yield {**what, "what": "records (building alone)", "other": building, "kit": kit}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=(*NETWORKS, "records"))
    asked = parser.parse_args()
    rows = [values(name, asked.rounds, full)
            for name in NETWORKS for full in (False, True) if asked.only in (None, name)]  # fmt: skip
    if asked.only in (None, "records"):
        rows += records(asked.rounds)
    if asked.json:
        print(json.dumps({"threads": threads(), "mxnet": mx.__version__, "numpy": np.__version__, "rows": rows}))
        return
    table = Table("network", "measured", "other side, ms", "ik.inspect, ms", "times faster")
    for row in rows:
        table.add_row(row["network"], row["what"], f"{row['other'] * 1e3:.1f}", f"{row['kit'] * 1e3:.1f}",
                      f"{row['other'] / row['kit']:.1f}")  # fmt: skip
    Console().print(table)


if __name__ == "__main__":
    main()
