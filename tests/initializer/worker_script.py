"""What each worker of tests/initializer/test_workers.py runs: ``python worker_script.py <kvstore> <scenario> ...``."""

import os
from pathlib import Path
import sys

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn

sys.path.append(str(Path(__file__).parent.parent))
from vocabulary import uniform

kv = mx.kv.create(sys.argv[1])


def run(scenario):
    def say(what, *rest):
        print(f"{scenario}: {what}:", *rest, flush=True)

    net = nn.HybridSequential()
    if kv.rank == 1:
        nn.Dense(3, in_units=3).initialize()  # this worker has built and drawn something more
    net.add(nn.Dense(8), nn.BatchNorm(), nn.Dense(1 if scenario != "shape" or kv.rank == 0 else 2))
    last = kv.rank == kv.num_workers - 1
    if scenario == "silent" and last:
        return
    if scenario == "uninitialized" and last:
        pass
    elif scenario == "plain":
        mx.random.seed(7)
        if kv.rank == 1:
            uniform((3,))
        net.initialize(mx.init.Xavier())
    else:
        ik.initialize(net, mx.init.Xavier(), seed=7)
    x = uniform((4, 5))  # and the workers' data differ
    if not (last and scenario in ("deferred", "uninitialized")):
        net(x)
    if scenario == "last" and last:
        net[2].weight.data()[0, 3] += 1
    if scenario == "more" and kv.rank == 1:
        net.add(nn.Dense(2, in_units=1))
        net[3].initialize()
    try:
        if scenario not in ("deferred", "uninitialized", "nothing", "silent"):
            say("before the trainer", kv.rank, ik.fingerprint(net))
        say("agreed", ik.check_workers(None if scenario == "nothing" and last else net, kv, timeout=TIMEOUT))
        say("agreed again", ik.check_workers(net, kv))
    except ik.InitializationError as error:
        say("refused", str(error).replace("\n", " "))
    if scenario == "train":
        trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1}, kvstore=kv)
        for _ in range(2):
            with mx.autograd.record():
                loss = (net(x) ** 2).mean()
            loss.backward()
            trainer.step(4)
        mx.nd.waitall()
        try:
            ik.check_workers(net, kv)
        except ik.InitializationError as error:
            say("refused", error)
        try:
            ik.initialize(net, seed=1, force_reinit=True)
        except ik.InitializationError as error:
            say("refused too", str(error).replace("\n", " "))


TIMEOUT = 5 if "silent" in sys.argv else 60
for scenario in sys.argv[2:]:
    run(scenario)
if "silent" not in sys.argv:
    kv._barrier()
else:
    sys.stdout.flush()
    os._exit(0)  # the one as if it were killed, the other since MXNet's own end needs that one
