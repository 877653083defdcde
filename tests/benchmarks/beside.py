"""Is this working tree as fast as another one? The same calls by both, alternated: CPU milliseconds and their ratio.

    git worktree add --detach /tmp/old COMMIT
    python tests/benchmarks/beside.py /tmp/old                  all rows
    python tests/benchmarks/beside.py /tmp/old shapes load      the rows whose names contain one of these words

A process for each tree takes its turn, round after round, and the least time counts: other work only adds. A ratio
above 1 means that this tree is the faster one.
"""

import argparse
from pathlib import Path
import subprocess
import sys
import time

HERE = Path(__file__).resolve()


def rows():
    """What is timed: a function that prepares it, unmeasured, and returns the call."""
    import os
    import tempfile

    import gluon_initkit as ik
    import mxnet as mx
    from mxnet.gluon import nn, rnn

    vision, folder = mx.gluon.model_zoo.vision, tempfile.mkdtemp()

    class Unrolled(mx.gluon.Block):
        def __init__(self):
            super().__init__()
            self.cell = rnn.LSTMCell(64)

        def forward(self, x):
            return self.cell.unroll(100, x, merge_outputs=True)[0]

    def dense(count=1000):
        net = nn.HybridSequential()
        net.add(*(nn.Dense(8) for _ in range(count)))
        return net

    def ready(build):
        net = build()
        net.initialize()
        ik.materialize(net, *shapes[build])
        return net

    shapes = {
        vision.resnet152_v1: [(1, 3, 224, 224)],
        vision.densenet201: [(1, 3, 224, 224)],
        vision.resnet18_v1: [(1, 3, 224, 224)],
        vision.vgg16: [(32, 3, 224, 224)],
        dense: [(1, 5)],
        Unrolled: [(2, 100, 32)],
    }
    try:
        import gluonnlp

        def bert():
            layers = {"num_layers": 12, "hidden_size": 3072, "units": 768, "num_heads": 12, "dropout": 0.1}
            encoder = gluonnlp.model.BERTEncoder(max_length=512, **layers)
            return gluonnlp.model.BERTModel(encoder, vocab_size=30522, token_type_vocab_size=2, units=768,
                                            embed_size=768, use_decoder=False, use_classifier=False)  # fmt: skip

        shapes[bert] = [(2, 64), (2, 64), (2,)]
    except ImportError:
        pass

    def resolving(build, hybridize):
        def prepare():
            net = build()
            net.initialize()
            if hybridize:
                net.hybridize()
            return lambda: ik.resolve_shapes(net, *shapes[build])

        return prepare

    for build in shapes:
        yield f"shapes {build.__name__}", resolving(build, False)
        yield f"shapes {build.__name__} hybridized", resolving(build, True)

    def of(net, call):
        return lambda: lambda: call(net)

    def filling(build):
        def prepare():
            net = build()
            return lambda: ik.initialize(net, seed=1)

        return prepare

    for build in (vision.resnet18_v1, dense):
        net, name = ready(build), build.__name__
        path = os.path.join(folder, f"{name}.params")
        ik.save(net, path)
        yield f"initialize {name}", of(net, lambda net: ik.initialize(net, seed=1, force_reinit=True))
        yield f"initialize {name}, fresh", filling(build)
        yield f"plan {name}", of(net, ik.plan)
        yield f"inspect {name}", of(net, ik.inspect)
        yield f"print {name}", of(ik.inspect(net), str)
        yield f"fingerprint {name}", of(net, ik.fingerprint)
        yield f"save {name}", of(net, lambda net, path=path: ik.save(net, path))
        yield f"load {name}", of(net, lambda net, path=path: ik.load(net, path))
        yield f"compare {name}", of(net, lambda net, path=path: ik.compare(net, path))
        yield f"inspect file {name}", of(path, ik.inspect)

    small = os.path.join(folder, "small.params")
    layer = nn.Dense(3, in_units=4)
    layer.initialize()
    ik.save(layer, small)
    yield "inspect small file", of(small, ik.inspect)
    yield "load small file", of(layer, lambda net: ik.load(net, small))

    def tying():
        net = dense(200)
        net.initialize()
        ik.materialize(net, (1, 8))
        sharing = ik.Sharing(net)
        for number in range(2, 200):
            sharing.tie("1.weight", f"{number}.weight")
        return sharing.apply

    yield "tie 198 weights", tying


def serve():
    """Answer each name that is read with the CPU seconds of one call."""
    import gc
    import warnings

    import mxnet as mx

    warnings.simplefilter("ignore")
    known = dict(rows())
    print(*known, sep="\t", flush=True)
    for line in sys.stdin:
        call = known[line.rstrip("\n")]()
        mx.nd.waitall()
        gc.collect()
        start = time.process_time()
        call()
        mx.nd.waitall()
        print(time.process_time() - start, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", help="the working tree of another commit")
    parser.add_argument("words", nargs="*")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    pipe = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    sides = []
    for tree in (arguments.tree, HERE.parents[2]):
        code = f"import sys; sys.path[:0] = [{str(tree)!r}, {str(HERE.parent)!r}]; import beside; beside.serve()"
        sides.append(subprocess.Popen([sys.executable, "-W", "ignore", "-c", code], **pipe))
    names = [side.stdout.readline().rstrip("\n").split("\t") for side in sides][1]
    print(f"{'CPU ms, least of ' + str(arguments.rounds):45} {'other':>9} {'this':>9}  ratio")
    for name in names:
        if arguments.words and not any(word in name for word in arguments.words):
            continue
        least = [float("inf")] * 2
        for _ in range(arguments.rounds + 1):
            for number, side in enumerate(sides):
                side.stdin.write(name + "\n")
                least[number] = min(least[number], float(side.stdout.readline()))
        other, this = (seconds * 1e3 for seconds in least)
        print(f"{name:45} {other:9.2f} {this:9.2f}  {other / this:5.2f}", flush=True)
    for side in sides:
        side.stdin.close()
        side.wait()


if __name__ == "__main__":
    main()
