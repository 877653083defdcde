"""Attacks on a network while it changes: signals, exceptions in threads, no memory, forks, a training beside.

All of a change is there afterwards, or nothing of it. With ``GLUON_INITKIT_LONG=1`` in as many rounds as the note
tells; else in as many as take a few seconds.
"""

from collections import Counter
import ctypes
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import pytest
from vocabulary import nd, rounds

pytestmark = pytest.mark.slow

UNITS, LAYERS = 128, 6


class Late(BaseException):
    """What a time-out raises; no `except Exception` catches it."""


def layers(known=True):
    net = nn.HybridSequential()
    for _ in range(LAYERS):
        net.add(nn.Dense(UNITS, in_units=UNITS if known else 0, flatten=False))
    return net


def filled(seed=1):
    net = layers()
    ik.initialize(net, seed=seed)
    return net


def tied():
    net = filled()
    ik.Sharing(net).tie("*.weight").apply()
    return net


def deferred():
    net = layers(known=False)
    ik.initialize(net, seed=2)
    return net


def deferred_by_gluon():
    net = layers(known=False)
    net.initialize(mx.init.One())
    return net


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("attacks") / "net.params"
    ik.save(filled(seed=9), path)
    return path


ACTIONS = {
    "initialize": (filled, lambda net, file: ik.initialize(net, seed=5, force_reinit=True)),
    "initialize what is new": (layers, lambda net, file: ik.initialize(net, seed=5)),
    "load": (filled, lambda net, file: ik.load(net, file)),
    "load what is new": (layers, lambda net, file: ik.load(net, file)),
    "tie": (filled, lambda net, file: ik.Sharing(net).tie("*.weight").apply(values="average")),
    "untie": (tied, lambda net, file: ik.untie(net, "3.weight")),
    "materialize": (deferred, lambda net, file: ik.materialize(net, (1, UNITS))),
    "materialize what Gluon deferred": (deferred_by_gluon, lambda net, file: ik.materialize(net, (1, UNITS))),
    "materialize by a forward pass": (deferred, lambda net, file: ik.materialize(net, (1, UNITS), run_forward=True)),
}  # fmt: skip


def state(net):
    """All that a network holds: which parameters stand where, under which names, and their bits."""
    mx.nd.waitall()
    numbers = {}
    found = []
    for block in (net, *net):
        for key, param in block._reg_params.items():
            arrays = (param._data or [], param._grad or [])
            found.append((key, numbers.setdefault(id(param), len(numbers)), vars(block)[key] is param, param._shape,
                          bool(param._deferred_init), sorted(vars(param)),
                          [array.asnumpy().tobytes() for held in arrays for array in held]))  # fmt: skip
        found.append((sorted(vars(block)), len(list(block.params.keys()))))
    return found, mx.autograd.is_recording()


def broken_off(action, file, breaking, count):
    """How often a broken action left all and nothing done, and something else."""
    make, act = ACTIONS[action]
    took = 0.0
    for _ in range(2):  # the first loads and compiles
        net = make()
        start = time.perf_counter()
        act(net, file)
        took = time.perf_counter() - start
    after = state(net)
    seen = Counter()
    for _ in range(count):
        net = make()
        before = state(net)
        came = breaking(lambda net=net: act(net, file), took * 1.1 * random.random())
        found = state(net)
        what = "nothing" if found == before else "all" if found == after else "lost"
        seen[what if came else "in time"] += 1
    print(f"{action}: {dict(seen)}")
    return seen


@pytest.fixture
def late():
    def handler(number, frame):
        raise Late

    before = signal.signal(signal.SIGALRM, handler)
    yield handler
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert signal.getsignal(signal.SIGALRM) is handler
    signal.signal(signal.SIGALRM, before)


def alarmed(act, seconds):
    try:
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-5))
        act()
        signal.setitimer(signal.ITIMER_REAL, 0)
    except Late:
        return True
    return False


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # an alarm in a `__del__` is lost
@pytest.mark.parametrize("action", ACTIONS)
def test_a_time_out_at_any_moment_leaves_all_or_nothing(action, file, late):
    seen = broken_off(action, file, alarmed, rounds(15, 100))
    assert not seen["lost"] and seen["all"] + seen["nothing"], seen


def thrown_at(act, seconds):
    """What a debugger, Jupyter or a library of time-outs does to a thread: `PyThreadState_SetAsyncExc`."""
    ended = []

    def work():
        try:
            act()
            ended.append(False)
        except Late:
            ended.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(seconds)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(Late))
    thread.join()
    return bool(ended and ended[0])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # thrown when all is over
@pytest.mark.parametrize("action", ["initialize", "load"])
def test_an_exception_thrown_at_a_thread_leaves_all_or_nothing_of_what_is_refilled(action, file):
    assert not broken_off(action, file, thrown_at, rounds(15, 100))["lost"]


def test_sigterm_that_ends_the_process_waits_for_the_end_of_a_change():
    net = filled()
    before, after = ik.fingerprint(net), ik.fingerprint(filled(seed=5))

    def ending(number, frame):
        raise SystemExit(ik.fingerprint(net))

    former = signal.signal(signal.SIGTERM, ending)
    timer = threading.Timer(0.002, os.kill, (os.getpid(), signal.SIGTERM))
    try:
        with pytest.raises(SystemExit) as ended:
            timer.start()
            ik.initialize(net, seed=5, force_reinit=True)
            timer.join()
            time.sleep(0.1)
    finally:
        signal.signal(signal.SIGTERM, former)
    assert str(ended.value) in (before, after)


@pytest.fixture
def training():
    """A network that a thread trains without ever waiting, faster than the engine can follow."""
    net, stopped = filled(), threading.Event()
    data = nd.ones((256, UNITS))

    def train():
        trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 1e-6})
        while not stopped.is_set():
            with mx.autograd.record():
                loss = (net(data) ** 2).mean()
            loss.backward()
            trainer.step(1)

    thread = threading.Thread(target=train)
    thread.start()
    time.sleep(0.3)
    yield net
    stopped.set()
    thread.join()


BESIDE = {
    "save": lambda net, file: ik.save(net, str(file) + ".beside"),
    "record": lambda net, file: ik.Recorder(net).step(),
    "fingerprint": lambda net, file: ik.fingerprint(net),
    "inspect": lambda net, file: ik.inspect(net, stats=True, grads=True),
    "compare": lambda net, file: ik.compare(net, file),
    "assert_all_finite": lambda net, file: ik.testing.assert_all_finite(net),
    "initialize another": lambda net, file: ik.initialize(filled(), seed=3, force_reinit=True),
    "load another": lambda net, file: ik.load(filled(), file),
    "materialize another": lambda net, file: ik.materialize(deferred(), (1, UNITS)),
}  # fmt: skip


@pytest.mark.parametrize("action", BESIDE)
def test_beside_a_training_that_never_waits(action, file, training):
    """`mx.nd.waitall`, and a wait for one array after the other, end only when that training does."""
    ended = threading.Event()

    def work():
        BESIDE[action](training, file)
        ended.set()

    thread = threading.Thread(target=work, daemon=True)
    start = time.perf_counter()
    thread.start()
    # What is under way already is waited for, and that alone takes seconds on a busy machine.
    assert ended.wait(60), f"{action} is still inside after 60 seconds"
    print(f"{action}: {time.perf_counter() - start:.1f} s")


def ran(code, limits="", **options):
    """What a process printed in which this ran, after the kit was imported and `limits` were set."""
    script = "import gluon_initkit as ik, mxnet as mx, os, resource, sys, threading\nfrom mxnet.gluon import nn\n"
    script += "mx.nd.ones((1,)).asnumpy()\n" + limits + "\n" + textwrap.dedent(code)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


MEMORY = "resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))"
HUGE = """
{net}
try:
    {call}
except mx.MXNetError as error:
    print(error)
print([net.weight._data is None])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS binds on Linux")
@pytest.mark.parametrize("net, call", [
    ("nn.Dense(32768, in_units=32768, use_bias=False)", "ik.initialize(net, seed=1)"),
    ("nn.Dense(32768, use_bias=False)", "ik.initialize(net, seed=1); net(mx.nd.ones((1, 32768)))"),
    ("nn.Dense(32768, use_bias=False)", "ik.initialize(net, seed=1); ik.materialize(net, (1, 32768))"),
    ("nn.Dense(32768, use_bias=False)", "net.initialize(); ik.materialize(net, (1, 32768))"),
    ("nn.Dense(20000, in_units=20000, use_bias=False)", "ik.initialize(net, seed=1)"),  # the gradient is too much
    ("nn.Dense(20000, in_units=20000, use_bias=False); net.weight.grad_req = 'null'",
     "ik.initialize(net, seed=1, ctx=[mx.cpu(0), mx.cpu(1)])"),
])  # fmt: skip
@pytest.mark.mxnet1("a limit of memory under which it starts")
def test_where_memory_does_not_suffice_the_error_names_the_parameter_and_nothing_is_changed(net, call):
    size = 32768 if "32768" in net else 20000
    said = ran(HUGE.format(net=f"net = {net}", call=call), MEMORY)
    assert f"no memory for parameter 'weight' of shape ({size}, {size}) and dtype float32" in said
    assert f"{4 * size * size:,} bytes" in said and "[True]" in said


LARGE_FILE = """
import struct
size = 32768
with open("large.params", "wb") as file:  # with a hole for 4 GiB of zeros
    file.write(struct.pack("<QQQIii2qiii", 0x112, 0, 1, 0xF993FAC9, 0, 2, size, size, 1, 0, 0))
    file.seek(4 * size * size, os.SEEK_CUR)
    file.write(struct.pack("<QQ", 1, 6) + b"weight")
net = nn.Dense(size, in_units=size, use_bias=False)
try:
    ik.load(net, "large.params")
except ik.LoadError as error:
    print(error)
print([net.weight._data is None])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS binds on Linux")
@pytest.mark.mxnet1("a limit of memory under which it starts")
def test_where_memory_does_not_suffice_for_loading_the_error_names_the_parameter(tmp_path):
    said = ran(LARGE_FILE, MEMORY, cwd=tmp_path)
    assert "no memory for parameter 'weight' of shape (32768, 32768) and dtype float32" in said and "[True]" in said
    assert "4,294,967,296 bytes" in said


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_child_of_a_fork_uses_the_kit(tmp_path):
    said = ran(f"""
        net = nn.Dense(4)
        ik.initialize(net, seed=1)
        ik.materialize(net, (1, 4))
        child = os.fork()
        if not child:
            code = 1
            try:
                ik.initialize(net, seed=1, force_reinit=True)
                ik.save(net, {str(tmp_path / "net.params")!r})
                ik.load(net, {str(tmp_path / "net.params")!r})
                ik.inspect(net, stats=True)
                other = nn.Dense(4)
                ik.initialize(other, seed=1)
                ik.materialize(other, (1, 4))
                same = ik.fingerprint(other) == ik.fingerprint(net)
                code = 0 if same else 2
            finally:
                os._exit(code)
        print("ended with", os.waitpid(child, 0)[1])
    """)
    assert "ended with 0" in said


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_child_of_a_fork_finds_no_lock_that_another_thread_has_taken():
    said = ran("""
        import signal, time
        inside = threading.Event()

        class Slow(nn.Block):
            def forward(self, x):
                inside.set()
                time.sleep(2)
                return x

        def network(*more):
            net = nn.Sequential()
            net.add(nn.Dense(4), *more)
            ik.initialize(net, seed=1)
            return net

        thread = threading.Thread(target=ik.materialize, args=(network(Slow()), (1, 4)))
        other = network()
        thread.start()
        inside.wait()
        child = os.fork()
        if not child:
            signal.alarm(30)
            ik.materialize(other, (1, 4))
            os._exit(0)
        print("ended with", os.waitpid(child, 0)[1])
        thread.join()
    """)
    assert "ended with 0" in said


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_NPROC counts threads on Linux")
def test_where_no_thread_starts_what_is_refilled_is_refilled_to_the_end():
    said = ran("""
        net = nn.Dense(1024, in_units=1024)
        ik.initialize(net, seed=1)
        wanted = nn.Dense(1024, in_units=1024)
        ik.initialize(wanted, seed=2)
        wanted = ik.fingerprint(wanted)
        if not os.getuid():
            os.setuid(65534)
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
        os.environ["GLUON_INITKIT_THREADS"] = "2"
        try:
            ik.initialize(net, seed=2, force_reinit=True)
        except RuntimeError as error:
            print(error)
        os.environ["GLUON_INITKIT_THREADS"] = "1"
        print(ik.fingerprint(net) == wanted)
    """)
    assert "can't start new thread" in said and "True" in said
