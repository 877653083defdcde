"""How fast `ik.initialize` is beside plain MXNet, and beside PyTorch where that is installed: ratios of one run.

Each pair of sides is alternated and the medians are compared; `mx.nd.waitall()` is inside every time. ``--memory``
asks for the peak of resident memory, beside what data and gradients need, in processes of their own.

    python tests/benchmarks/initialize.py [--json] [--rounds 7] [--only vgg16] [--memory]
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

import gluon_initkit as ik
from gluon_initkit.parallel import threads
import mxnet as mx
from mxnet.gluon import nn
import numpy
from rich.console import Console
from rich.table import Table

INITIALIZERS = {"uniform": mx.init.Uniform(), "xavier": mx.init.Xavier(), "normal": mx.init.Normal()}


def lenet():
    net = nn.HybridSequential()
    net.add(nn.Conv2D(20, 5, in_channels=1), nn.MaxPool2D(), nn.Conv2D(50, 5, in_channels=20), nn.MaxPool2D(),
            nn.Dense(500, in_units=800), nn.Dense(10, in_units=500))  # fmt: skip
    return net


def zoo(name):
    def make():
        net = mx.gluon.model_zoo.vision.get_model(name)
        # Shapes alone, so that nothing is deferred: what is measured is filling.
        net.infer_shape(mx.nd.zeros((1, 3, 224, 224)))
        return net

    return make


def bert():
    import gluonnlp

    encoder = gluonnlp.model.BERTEncoder(units=768, hidden_size=3072, num_layers=12, num_heads=12, max_length=512)
    model = gluonnlp.model.BERTModel(encoder, vocab_size=30522, token_type_vocab_size=2, units=768, embed_size=768,
                                     use_decoder=False, use_classifier=False)  # fmt: skip
    model.initialize(mx.init.Zero())
    model(mx.nd.zeros((1, 8)), mx.nd.zeros((1, 8)), mx.nd.full((1,), 8))
    mx.nd.waitall()
    return model


def drawn(name):
    """A network whose weights are drawn by whatever it is initialized with: VGG's layers ask for normal numbers."""
    net = MAKERS[name]()
    for param in net.collect_params().values():
        if param.name.endswith("weight"):
            param.init = None
    return net


MAKERS = {"vgg16": zoo("vgg16"), "bert_base": bert, "resnet50_v1": zoo("resnet50_v1"), "lenet": lenet}
FRESH = ("vgg16", "resnet50_v1")


def seconds(call):
    mx.nd.waitall()
    start = time.perf_counter()
    call()
    mx.nd.waitall()
    return time.perf_counter() - start


def compared(sides, rounds):
    """Median seconds of each side, alternated, after one round of warming up."""
    times = [[seconds(side) for side in sides] for _ in range(rounds + 1)][1:]
    return [statistics.median(each) for each in zip(*times)]


def repeat(call, times):
    def run():
        for _ in range(times):
            call()

    return run


def again(name, rounds):
    """`force_reinit=True` on one network."""
    net = drawn(name)
    net.initialize(force_reinit=True)
    times = 50 if name == "lenet" else 1
    for kind, init in INITIALIZERS.items():
        plain = repeat(lambda init=init: net.initialize(init, force_reinit=True), times)
        kit = repeat(lambda init=init: ik.initialize(net, init, seed=7, force_reinit=True), times)
        first, second = compared([plain, kit], rounds)
        yield {"what": "again", "network": name, "kind": kind, "plain": first / times, "kit": second / times}


def fresh(name, rounds):
    """Networks that were just built, with known shapes."""
    for kind, init in INITIALIZERS.items():
        times = [[], []]
        for _ in range(rounds + 1):
            for side, call in enumerate((lambda net, init: net.initialize(init), lambda net, init: ik.initialize(
                    net, init, seed=7))):  # fmt: skip
                net = drawn(name)
                times[side].append(seconds(lambda net=net, init=init, call=call: call(net, init)))
                del net
                mx.nd.waitall()
        first, second = (statistics.median(side[1:]) for side in times)
        yield {"what": "fresh", "network": name, "kind": kind, "plain": first, "kit": second}


def beside_torch(name, rounds):
    """PyTorch fills tensors of the same shapes; we refill the network's arrays."""
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(threads())
    net = drawn(name)
    net.initialize(force_reinit=True)
    shapes = [tuple(param.shape) for param in net.collect_params().values()]
    tensors = [torch.zeros(shape) for shape in shapes]
    fills = {"uniform": lambda tensor: torch.nn.init.uniform_(tensor, -0.07, 0.07),
             "normal": lambda tensor: torch.nn.init.normal_(tensor, 0.0, 0.01)}  # fmt: skip
    for kind, fill in fills.items():
        def other(fill=fill):
            for tensor in tensors:
                if tensor.ndim > 1:
                    fill(tensor)
                else:
                    tensor.zero_()

        # PyTorch's tensors have no gradients to clear, so neither has ours here.
        for param in net.collect_params().values():
            param.grad_req = "null"
        kit = lambda kind=kind: ik.initialize(net, INITIALIZERS[kind], seed=7, force_reinit=True)  # noqa: E731
        first, second = compared([other, kit], rounds)
        yield {"what": f"torch {torch.__version__}", "network": name, "kind": kind, "plain": first, "kit": second}


def memory(name):
    """Peak resident memory while a fresh network is initialized, over data plus gradients, in a process of its own."""
    here = __file__.rsplit("/", 1)[0]
    code = f"import sys; sys.path.insert(0, {here!r}); import initialize; initialize.peak({name!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {"what": "memory", "network": name, **json.loads(done.stdout)}


def peak(name):
    net = drawn(name)
    ik.initialize(lenet(), seed=1)  # what is loaded once is loaded now
    mx.nd.waitall()
    before = _resident()
    _reset_peak()
    ik.initialize(net, mx.init.Normal(), seed=7)
    mx.nd.waitall()
    arrays = [each for param in net.collect_params().values() for each in
              (param.list_data() + (param.list_grad() if param.grad_req != "null" else []))]  # fmt: skip
    needed = sum(array.size * numpy.dtype(array.dtype).itemsize for array in arrays)
    print(json.dumps({"needed": needed, "peak": _peak() - before}))


def _resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def _reset_peak():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def _peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", choices=MAKERS)
    parser.add_argument("--memory", action="store_true")
    asked = parser.parse_args()
    rows = []
    for name in [asked.only] if asked.only else MAKERS:
        if asked.memory:
            if name in FRESH:
                rows.append(memory(name))
            continue
        rows += again(name, asked.rounds)
        if name in FRESH:
            rows += fresh(name, max(3, asked.rounds // 2))
            rows += beside_torch(name, asked.rounds)
    if asked.json:
        print(json.dumps({"threads": threads(), "mxnet": mx.__version__, "numpy": numpy.__version__, "rows": rows}))
        return
    console = Console()
    if asked.memory:
        table = Table("network", "data + gradients, MB", "peak, MB", "ratio")
        for row in rows:
            table.add_row(row["network"], f"{row['needed'] / 1e6:.0f}", f"{row['peak'] / 1e6:.0f}",
                          f"{row['peak'] / row['needed']:.3f}")  # fmt: skip
    else:
        table = Table("network", "measured", "kind", "other side, ms", "ik.initialize, ms", "times faster")
        for row in rows:
            table.add_row(row["network"], row["what"], row["kind"], f"{row['plain'] * 1e3:.2f}",
                          f"{row['kit'] * 1e3:.2f}", f"{row['plain'] / row['kit']:.1f}")  # fmt: skip
    console.print(table)


if __name__ == "__main__":
    main()
