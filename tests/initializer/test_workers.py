"""Workers, a server and a scheduler on loopback: MXNet's own distributed engine, nothing stood in for."""

import os
from pathlib import Path
import re
import socket
import subprocess
import sys

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import pytest
from vocabulary import nd

SCRIPT = Path(__file__).parent / "worker_script.py"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def outs():
    """What the two workers printed: one pair for all scenarios. The last leaves an optimizer on the kvstore."""
    return launched("plain", "shape", "more", "deferred", "uninitialized", "nothing", "train")


def launched(*scenarios, workers=2, kvstore="dist_sync"):
    common = {**os.environ, "DMLC_PS_ROOT_URI": "127.0.0.1", "DMLC_PS_ROOT_PORT": str(free_port()),
              "DMLC_NODE_HOST": "127.0.0.1", "DMLC_NUM_SERVER": "1", "DMLC_NUM_WORKER": str(workers)}  # fmt: skip
    loop = [sys.executable, "-c", "import gluon_initkit, mxnet"]  # importing MXNet in these roles runs their loop
    work = [sys.executable, str(SCRIPT), kvstore, *scenarios]
    started = []
    try:
        for role, command in (("scheduler", loop), ("server", loop), *[("worker", work)] * workers):
            started.append(subprocess.Popen(command, env={**common, "DMLC_ROLE": role}, text=True,
                                            stdout=subprocess.PIPE, stderr=subprocess.PIPE))  # fmt: skip
        said = [each.communicate(timeout=90) for each in started[2:]]
        assert all(each.returncode == 0 for each in started[2:]), said
        if "silent" not in scenarios:  # else they wait for the worker that is gone
            for each in started[:2]:
                each.communicate(timeout=60)
    finally:
        for each in started:
            each.kill()
    return [out for out, _ in said]


def lines(outs, start):
    return [line[len(start) :].strip() for out in outs for line in out.splitlines() if line.startswith(start)]


def test_the_same_fingerprint_without_any_broadcast(outs):
    prints = {line.split()[1] for line in lines(outs, "train: before the trainer:")}
    assert len(prints) == 1
    assert set(lines(outs, "train: agreed:")) == set(lines(outs, "train: agreed again:")) == prints
    assert len(lines(outs, "train: agreed:")) == 2
    refused = lines(outs, "train: refused:")
    assert len(refused) == 2 and all("before the first trainer.step" in each for each in refused)
    assert all("distributed kvstore" in each for each in lines(outs, "train: refused too:"))
    assert len(lines(outs, "train: refused too:")) == 2


def test_horovod_895(outs):
    """Workers start from different weights where parameters are deferred (#915, apache/mxnet#14431); we say so."""
    assert len({line.split()[1] for line in lines(outs, "plain: before the trainer:")}) == 2
    refused = lines(outs, "plain: refused:")
    assert len(refused) == 2
    assert all(re.search(r"rank 0 differs from rank 1, first in '0\.weight'", each) for each in refused)


@pytest.mark.parametrize("scenario, says", [
    ("shape", r"rank 0 differs from rank 1, first in '2\.weight'"),
    ("more", r"rank 0 differs from rank 1, first in ('3\.weight'|parameter 8, which rank 0 lacks) \(of 8 and 10 "),
])  # fmt: skip
def test_the_first_difference_is_named(scenario, says, outs):
    refused = lines(outs, f"{scenario}: refused:")
    assert len(refused) == 2 and all(re.search(says, each) for each in refused), refused


def test_the_last_of_three_workers_differs():
    refused = lines(launched("last", workers=3), "last: refused:")
    says = "ranks 0, 1 differ from rank 2, first in '2.weight' (of 8 parameters)"
    assert len(refused) == 3 and all(says in each for each in refused), refused


@pytest.mark.parametrize("scenario, why", [
    ("deferred", "InitializationError: 6 parameters have no values to take a fingerprint of: 0.weight is deferred"),
    ("uninitialized", "8 parameters have no values to take a fingerprint of: 0.weight is uninitialized"),
    ("nothing", "TypeError: expected a network (an mxnet.gluon.Block), found NoneType: None"),
])  # fmt: skip
def test_a_worker_with_nothing_to_compare_says_so_and_all_raise(scenario, why, outs):
    refused = lines(outs, f"{scenario}: refused:")
    assert len(refused) == 2, refused
    (own,) = (each for each in refused if why in each)
    (other,) = (each for each in refused if each != own)
    assert "1 of 2 workers has nothing to compare: rank 1, which says why" in other


def test_a_worker_that_never_comes_is_not_waited_for_for_ever():
    (refused,) = lines(launched("silent"), "silent: refused:")
    assert "rank 0 has waited 5 seconds for all 2 workers to call check_workers(net, kv)" in refused


def test_an_asynchronous_kvstore_is_refused_before_anything_is_pushed():
    refused = lines(launched("last", kvstore="dist_async"), "last: refused:")
    assert len(refused) == 2 and all("'dist_async' waits for no worker" in each for each in refused), refused


@pytest.mark.parametrize("timeout, error", [(0, ValueError), (-1, ValueError), (float("nan"), ValueError),
                                            ("soon", TypeError)])  # fmt: skip
def test_a_timeout_that_is_no_time(timeout, error):
    net = nn.Dense(2, in_units=2)
    net.initialize()
    with pytest.raises(error):
        ik.check_workers(net, mx.kv.create("local"), timeout=timeout)


def test_alone_the_error_is_ones_own():
    with pytest.raises(ik.InitializationError, match="no values to take a fingerprint of: weight is uninitialized"):
        ik.check_workers(nn.Dense(2), mx.kv.create("local"))


def test_a_local_kvstore_has_nobody_to_differ_from():
    net = nn.Dense(2, in_units=2)
    ik.initialize(net, seed=1)
    assert ik.check_workers(net, mx.kv.create("local")) == ik.fingerprint(net)


def test_a_kvstore_with_keys_of_another_type():
    net, kv = nn.Dense(2, in_units=2), mx.kv.create("local")
    ik.initialize(net, seed=1)
    kv.init("weight", nd.ones((2,)))
    assert ik.check_workers(net, kv) == ik.check_workers(net, kv) == ik.fingerprint(net)


def test_a_kvstore_that_changes_what_is_pushed_is_refused():
    net = nn.Dense(2, in_units=2)
    ik.initialize(net, seed=1)
    kv = mx.kv.create("local")
    kv.set_optimizer(mx.optimizer.SGD(learning_rate=0.5))
    with pytest.raises(ik.InitializationError, match="the kvstore changed what was pushed"):
        ik.check_workers(net, kv)


def test_what_is_no_kvstore():
    """None is what a Trainer without one has: no optimizer runs there."""
    net = nn.Dense(1, in_units=2)
    net.initialize()
    for kv in (None, "dist_sync"):
        with pytest.raises(TypeError, match=r"expected a kvstore, such as mx\.kv\.create\('dist_sync'\), found"):
            ik.check_workers(net, kv)
