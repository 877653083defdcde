"""How fast a file is looked at beside `mx.nd.load`: its headers, with statistics, and compared with another.

Each reading is the first of a process of its own, after the imports, with the file in the page cache; the sides are
alternated and medians compared. "again" is the tenth reading in one process, where MXNet has its memory from the time
before; "whole process" is what someone waits who types the command, imports and all.

    python tests/benchmarks/checkpoint.py [--json] [--rounds 7] [--only resnet50_v1]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

NETWORKS = ("resnet50_v1", "mobilenet1_0", "densenet121", "vgg16")

MADE = """
import sys, mxnet as mx
net = getattr(mx.gluon.model_zoo.vision, sys.argv[1])()
net.infer_shape(mx.nd.zeros((1, 3, 224, 224)))
for param in net.collect_params().values(): param.initialize(mx.init.Uniform())
net.save_parameters(sys.argv[2])
"""

TIMED = """
import sys, time
{imports}
def read(): {read}
times = []
for _ in range(10):
    start = time.perf_counter()
    found = read()
    times.append(time.perf_counter() - start)
    found = None
print(times[0], times[-1])
"""

SIDES = {
    "mx.nd.load": ("import mxnet as mx; mx.nd.waitall()", "x = mx.nd.load(sys.argv[1]); mx.nd.waitall(); return x"),
    "headers": ("from gluon_initkit.inspector import inspect", "return inspect(sys.argv[1])"),
    "stats": ("from gluon_initkit.inspector import inspect", "return inspect(sys.argv[1], stats=True)"),
    "compare": ("from gluon_initkit.inspector import compare", "return compare(sys.argv[1], sys.argv[1])"),
}  # fmt: skip


def measured(side, path):
    """Seconds of the first reading, of the tenth, and of a process that reads once."""
    imports, read = SIDES[side]
    code = "import gluon_initkit\n" + TIMED.format(imports=imports, read=read)
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    first, again = map(float, done.stdout.split())
    start = time.perf_counter()
    once = code.replace("range(10)", "range(1)")
    subprocess.run([sys.executable, "-c", once, path], capture_output=True, check=True)
    return first, again, time.perf_counter() - start


def rows_of(name, rounds):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "net.params")
        code = "import gluon_initkit\n" + MADE
        subprocess.run([sys.executable, "-c", code, name, path], check=True, capture_output=True)
        times = {side: [] for side in SIDES}
        for _ in range(rounds):
            for side, found in times.items():
                found.append(measured(side, path))
        size = os.path.getsize(path)
    medians = {side: [statistics.median(column) for column in zip(*found)] for side, found in times.items()}
    loading = medians.pop("mx.nd.load")
    for side, kit in medians.items():
        for what, plain, ours in zip(("first", "again", "whole process"), loading, kit):
            yield {"network": name, "megabytes": size / 1e6, "side": side, "what": what, "plain": plain, "kit": ours}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=NETWORKS)
    asked = parser.parse_args()
    rows = [row for name in NETWORKS if asked.only in (None, name) for row in rows_of(name, asked.rounds)]
    if asked.json:
        print(json.dumps({"cores": os.cpu_count(), "rows": rows}))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("network", "MB", "measured", "reading", "mx.nd.load, ms", "kit, ms", "times faster")
    for row in rows:
        table.add_row(row["network"], f"{row['megabytes']:.0f}", row["side"], row["what"], f"{row['plain'] * 1e3:.1f}",
                      f"{row['kit'] * 1e3:.1f}", f"{row['plain'] / row['kit']:.1f}")  # fmt: skip
    Console().print(table)


if __name__ == "__main__":
    main()
