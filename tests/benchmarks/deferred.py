"""How fast shapes are found without a forward pass, and how little memory that takes: ratios of one run.

Forward passes and `ik.resolve_shapes` are alternated and the medians compared; ``mx.nd.waitall()`` is inside. A first
forward pass is that of a network just built and initialized. ``--table`` tries every network of the suite instead, and
``--write`` writes that table between the marks in README.md beside this file.

    python tests/benchmarks/deferred.py [--json] [--rounds 5] [--table | --write]
"""

import argparse
import json
from pathlib import Path
import re
import statistics
import subprocess
import sys
import time
import warnings

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tracer"))

import gluon_initkit as ik  # noqa: E402
import mxnet as mx  # noqa: E402
from mxnet.gluon import nn  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
import zoo_networks as networks  # noqa: E402

README = HERE / "README.md"
MARKS = "<!-- every network tried: python tests/benchmarks/deferred.py --write -->", "<!-- until here -->"


def seconds(call):
    mx.nd.waitall()
    start = time.perf_counter()
    call()
    mx.nd.waitall()
    return time.perf_counter() - start


def first_forward(name, batch, rounds, goal):
    """The first forward pass of a fresh network, beside its shapes alone."""
    shape, times = (batch, 3, 224, 224), [[], []]
    for _ in range(rounds + 1):
        net = mx.gluon.model_zoo.vision.get_model(name)
        net.initialize()
        times[1].append(seconds(lambda net=net: ik.resolve_shapes(net, shape)))
        x = mx.nd.zeros(shape)
        times[0].append(seconds(lambda net=net, x=x: net(x)))
        del net
    forward, shapes = (statistics.median(side[1:]) for side in times)
    return row(f"{name}, batch {batch}: first forward", forward, shapes, goal)


def one_forward(name, batch, rounds, goal):
    """One forward pass of a network that is initialized, beside the shapes of one that is not."""
    shape = (batch, 3, 224, 224)
    ready, fresh = (mx.gluon.model_zoo.vision.get_model(name) for _ in range(2))
    ready.initialize()
    fresh.initialize()
    x = mx.nd.zeros(shape)
    times = [(seconds(lambda: ready(x)), seconds(lambda: ik.resolve_shapes(fresh, shape))) for _ in range(rounds + 1)]
    forward, shapes = (statistics.median(side[1:]) for side in zip(*times))
    return row(f"{name}, batch {batch}: one forward", forward, shapes, goal)


def row(what, forward, shapes, goal):
    return {"what": what, "forward": forward, "shapes": shapes, "ratio": forward / shapes, "goal": goal}


def billion():
    """Megabytes that a process grows by while a perceptron of a billion parameters is built and resolved."""
    code = f"import sys; sys.path.insert(0, {str(HERE)!r}); import deferred; deferred.grown()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def grown():
    warm = nn.Dense(2)
    warm.initialize()
    ik.resolve_shapes(warm, (1, 3))  # what is loaded once is loaded now
    mx.nd.waitall()
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak from here on
    before = _status("VmRSS")
    net = nn.HybridSequential()
    net.add(*(nn.Dense(10_000) for _ in range(10)))
    net.initialize()
    rows = ik.resolve_shapes(net, (1, 10_000))
    count = sum(row.bytes for row in rows) // 4
    print(json.dumps({"parameters": count, "megabytes": (_status("VmHWM") - before) / 1000}))


def _status(field):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field))


def tried(rounds):
    """One record for every network of the suite; the vision zoo's with images of 224."""
    builders = {name: lambda name=name: networks.zoo(name, 1000, 224) for name in networks.VISION}
    builders.update({build.__name__: build for build in networks.SERIES + networks.LIBRARIES})
    for name, build in builders.items():
        net, inputs = build()
        net.initialize(force_reinit=True)
        waiting = len(ik.explain(net))
        try:
            ik.resolve_shapes(net, *inputs)
            how = "shapes"
        except ik.DeferredInitError as error:
            how = "run_forward=True: " + re.sub(r"^.*: (?=\S+ = |return )", "", str(error).splitlines()[0])
        report = ik.materialize(net, *inputs, run_forward=True)
        yield {"network": name, "parameters": len(report), "waiting": waiting, "how": how,
               "ratio": compared(net, inputs, rounds)}  # fmt: skip


def compared(net, inputs, rounds):
    """One forward pass over the time that the shapes take."""
    sides = (lambda: net(*inputs), lambda: ik.explain(net, *inputs))
    times = [[seconds(side) for side in sides] for _ in range(rounds + 1)]
    forward, shapes = (statistics.median(side[1:]) for side in zip(*times))
    return forward / shapes


def markdown(records):
    yield "| network | parameters | deferred | resolved by | one forward / shapes |"
    yield "|---|---|---|---|---|"
    for each in records:
        yield (f"| `{each['network']}` | {each['parameters']} | {each['waiting']} | {each['how']} | "
               f"{each['ratio']:.1f} |")  # fmt: skip


def write(lines):
    start, end = MARKS
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(start)
    _, _, after = rest.partition(end)
    assert after, "the marks are not in README.md"
    README.write_text("\n".join([before + start, "", *lines, "", end + after]), encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    if asked.table or asked.write:
        lines = list(markdown(tried(asked.rounds)))
        write(lines) if asked.write else print("\n".join(lines))
        return
    rows = [first_forward("vgg16", 32, min(asked.rounds, 3), 200), one_forward("resnet152_v1", 1, asked.rounds, 3)]
    memory = billion()
    if asked.json:
        print(json.dumps({"mxnet": mx.__version__, "rows": rows, "billion": memory}))
        return
    table = Table("measured", "forward, ms", "shapes, ms", "times faster", "asked for")
    for each in rows:
        table.add_row(each["what"], f"{each['forward'] * 1e3:.0f}", f"{each['shapes'] * 1e3:.1f}",
                      f"{each['ratio']:.1f}", f"{each['goal']}")  # fmt: skip
    Console().print(table)
    print(f"{memory['parameters'] / 1e9:.2f} billion parameters: {memory['megabytes']:.1f} MB, of 50")


if __name__ == "__main__":
    main()
