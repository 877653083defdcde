"""Attacks on saving and loading: full disks, kills, hostile files. Nothing is lost, nothing is let in, no crash.

With ``GLUON_INITKIT_LONG=1`` in as many rounds as the note tells; else in as many as take a few seconds.
"""

from collections import Counter
import contextlib
from functools import partial
import multiprocessing
import os
from pathlib import Path
import random
import resource
import socket
import stat
import subprocess
import sys
import threading
import time
import warnings

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import GLUON_2, classic, rounds

pytestmark = pytest.mark.slow

SIZES = {"small": 2, "large": 300}  # MXNet notices of these only that the large one is written short


def network(size, value=None):
    net = nn.HybridSequential()
    net.add(nn.Dense(size, in_units=size), nn.Dense(size, in_units=size))
    ik.Sharing(net).tie("1.weight", "0.weight").apply()
    net.initialize(mx.init.Normal() if value is None else mx.init.Constant(value))
    return net


@pytest.fixture(scope="module")
def full_disk(tmp_path_factory):
    """A file system of a megabyte, and a function that fills all of it but some bytes."""
    folder = tmp_path_factory.mktemp("disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("no file system can be mounted here: test_a_limit_of_the_size_of_files stands in")

    def fill(left):
        with open(folder / "filling", "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        os.truncate(folder / "filling", os.path.getsize(folder / "filling") - left)

    yield folder, fill
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("size", SIZES)
def test_a_full_disk(size, full_disk):
    """Plain MXNet raises nothing where a small file finds no room: it leaves one of 0 bytes."""
    folder, fill = full_disk
    path, good = folder / "x.params", network(2, 1)
    net, chance = network(SIZES[size]), random.Random(0)
    for left in [0, 4096, *(chance.randrange(0, 1 << 20, 4096) for _ in range(rounds(3, 100)))]:
        (folder / "filling").unlink(missing_ok=True)
        ik.save(good, path)
        before = path.read_bytes()
        fill(left)
        try:
            ik.save(net, path)
        except OSError as error:
            assert "No space left on device" in str(error) and path.read_bytes() == before
        else:
            assert left >= 4096 and ik.compare(net, path).same
        assert sorted(os.listdir(folder)) == ["filling", "x.params"]
    fill(0)
    if size == "small":
        with classic():
            mx.nd.save(str(folder / "plain"), {"w": mx.nd.ones((2,))})
        assert (folder / "plain").read_bytes() == b""
        (folder / "plain").unlink()
    (folder / "filling").unlink()
    path.unlink()


def forked(act):
    """Start a process that acts and is not waited for. It shares what is imported, which takes long."""
    process = multiprocessing.get_context("fork").Process(target=act)
    process.start()
    return process


def succeeds(act):
    """Act in a process of its own."""
    process = forked(act)
    process.join()
    return process.exitcode == 0


@pytest.mark.parametrize("size", SIZES)
def test_a_limit_of_the_size_of_files(size, tmp_path):
    path, net = tmp_path / "x.params", network(SIZES[size])
    ik.save(network(2, 1), path)
    before = path.read_bytes()

    def act():
        resource.setrlimit(resource.RLIMIT_FSIZE, (500 if size == "large" else 150, resource.RLIM_INFINITY))
        with pytest.raises(OSError, match="File too large .in folder"):
            ik.save(net, path)

    assert succeeds(act) and path.read_bytes() == before and os.listdir(tmp_path) == ["x.params"]


def test_a_kill_at_any_moment(tmp_path):
    """The file is the old one or the new one, and the next save removes what was left beside it."""
    path, chance, nets = tmp_path / "x.params", random.Random(0), [network(400, 1), network(400, 2)]
    left = 0

    def act():
        while True:
            for net in nets:
                ik.save(net, path)

    ik.save(nets[0], path)
    for _ in range(rounds(10, 300)):
        process = forked(act)
        time.sleep(0.05 + chance.random() / 10)
        process.kill()
        process.join()
        left += len(os.listdir(tmp_path)) - 1
        assert any(ik.compare(net, path).same for net in nets)
        ik.save(nets[0], path)
        assert os.listdir(tmp_path) == ["x.params"]
    print(f"{left} parts were left by kills")
    assert left


def test_what_a_killed_save_left_is_removed_and_what_a_running_one_writes_is_not(tmp_path, monkeypatch):
    saving = sys.modules["gluon_initkit.files.write"]
    begun, go_on, write = threading.Event(), threading.Event(), saving.write_params

    def slow(part, *arguments):
        write(part, *arguments)
        if threading.current_thread() is not threading.main_thread():
            begun.set()
            assert go_on.wait(60)

    monkeypatch.setattr(saving, "write_params", slow)
    path, nets = tmp_path / "x.params", [network(2, 1), network(2, 2)]
    thread = threading.Thread(target=ik.save, args=(nets[1], path))
    thread.start()
    assert begun.wait(60)
    (running,) = os.listdir(tmp_path)
    left = tmp_path / (running[:18] + "12345678.part")
    left.write_bytes(b"what a killed process wrote")
    ik.save(nets[0], path)
    assert sorted(os.listdir(tmp_path)) == sorted([running, "x.params"]) and ik.compare(nets[0], path).same
    go_on.set()
    thread.join()
    assert os.listdir(tmp_path) == ["x.params"] and ik.compare(nets[1], path).same


def test_threads_that_save_one_file(tmp_path):
    path, nets = tmp_path / "x.params", [network(20, value) for value in range(4)]
    errors = []

    def act(net):
        try:
            for _ in range(rounds(10, 100)):
                ik.save(net, path)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=act, args=(net,)) for net in nets]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if path.exists():
            with classic():
                array = mx.nd.load(str(path))["0.weight"].asnumpy()
            assert array.shape == (20, 20) and (array == array[0, 0]).all()
    assert not errors and os.listdir(tmp_path) == ["x.params"]


@pytest.mark.parametrize("name", ["n" * 255, "ü" * 127, "x", ".x", "a b\n"])
def test_every_name_that_the_system_takes(name, tmp_path):
    ik.save(network(2), tmp_path / name)
    ik.load(network(2), tmp_path / name)
    assert os.listdir(tmp_path) == [name]


def test_what_is_no_regular_file_is_never_replaced(tmp_path):
    net, folder, pipe, link = network(2), tmp_path / "folder", tmp_path / "pipe", tmp_path / "link"
    folder.mkdir()
    os.mkfifo(pipe)
    link.symlink_to("other")
    (tmp_path / "other").symlink_to("link")
    listening = socket.socket(socket.AF_UNIX)
    before = os.getcwd()
    os.chdir(tmp_path)  # the path of a socket may not be long
    listening.bind("socket")
    os.chdir(before)
    for target, error in ((folder, IsADirectoryError), (pipe, OSError), (tmp_path / "socket", OSError),
                          ("/dev/null", OSError), ("/dev/full", OSError), (link, OSError)):  # fmt: skip
        with pytest.raises(error):
            ik.save(net, target)
    listening.close()
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode) and stat.S_ISFIFO(os.stat(pipe).st_mode)
    assert sorted(os.listdir(tmp_path)) == ["folder", "link", "other", "pipe", "socket"]


def test_links_stay_links(tmp_path):
    net, link, hanging = network(2), tmp_path / "link", tmp_path / "hanging"
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "x.params").write_bytes(b"old")
    link.symlink_to(Path("sub") / "x.params")
    hanging.symlink_to(Path("sub") / "y.params")
    for path in (link, hanging):
        ik.save(net, path)
        assert path.is_symlink() and ik.compare(net, path).same
    assert sorted(os.listdir(tmp_path / "sub")) == ["x.params", "y.params"]


def as_nobody(act):
    """Act as a user who is not root, in a process of its own."""

    def child():
        os.setuid(65534)
        act()

    return succeeds(child)


@pytest.mark.skipif(os.getuid() != 0, reason="only root becomes somebody else")
def test_a_folder_without_write_permission_and_a_file_that_is_write_protected(tmp_path_factory):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        path, net = os.path.join(folder, "x.params"), network(2)
        ik.save(net, path)
        before = Path(path).read_bytes()

        def refused(words):
            with pytest.raises(PermissionError, match=words):
                ik.save(net, path)

        os.chmod(path, 0o666)
        assert as_nobody(lambda: refused("Permission denied .in folder .*Nothing was saved"))
        os.chmod(folder, 0o777)
        os.chmod(path, 0o444)
        assert as_nobody(lambda: refused("write-protected"))
        assert Path(path).read_bytes() == before and os.listdir(folder) == ["x.params"]
        os.chmod(path, 0o666)
        assert as_nobody(lambda: ik.save(net, path))


# Hostile files


def target(seed):
    """A network that the files are meant for: with values, or without."""
    net = nn.HybridSequential()
    net.add(nn.Embedding(6, 4), nn.Dense(6, in_units=4), nn.Dense(3) if seed % 13 == 0 else nn.Dense(3, in_units=6))
    if seed % 2:
        net.initialize()
        if seed % 13 == 0:
            net(mx.np.ones((1,)) if GLUON_2 else mx.nd.ones((1,)))
    return net


def originals():
    """Sound files of every kind for that network."""
    import tempfile

    net = target(1)
    path = os.path.join(tempfile.mkdtemp(), "x")
    ik.save(net, path)
    yield Path(path).read_bytes()
    ik.Sharing(net).tie("1.weight", "0.weight").apply()
    ik.save(net, path)
    yield Path(path).read_bytes()
    ik.save(net, f"{path}.safetensors")
    yield Path(f"{path}.safetensors").read_bytes()
    arrays = {name: param.data().asnumpy() for name, param in net._collect_params_with_prefix().items()}
    for write in (np.savez, np.savez_compressed):
        with open(path, "wb") as file:
            write(file, **arrays)
        yield Path(path).read_bytes()
    if not GLUON_2:
        arrays = {name: mx.nd.array(values) for name, values in arrays.items()}
        mx.nd.save(path, {name: array.tostype("row_sparse") if array.ndim == 2 else array
                          for name, array in arrays.items()})  # fmt: skip
        yield Path(path).read_bytes()
        mx.nd.save(path, {f"arg:{param.name}": param.data() for param in net.collect_params().values()})
        yield Path(path).read_bytes()


def mutations(seeds):
    """Each seed with a file that is cut, lengthened, or has some bytes, numbers or whole pieces exchanged."""
    files = list(originals())
    numbers = [0, 1, 2, 3, 7, 255, 1 << 16, 1 << 31, (1 << 31) - 1, 1 << 32, 1 << 40, 1 << 62, (1 << 64) - 1]
    for seed in seeds:
        chance = random.Random(seed)
        data = bytearray(chance.choice(files))
        for _ in range(chance.choice((1, 1, 2, 5))):
            at = chance.randrange(len(data))
            how = chance.randrange(7)
            if how == 0:
                data[at] = chance.randrange(256)
            elif how == 1:
                data[at] ^= 1 << chance.randrange(8)
            elif how == 2:
                size = chance.choice((2, 4, 8))
                at -= at % size
                data[at : at + size] = (chance.choice(numbers) % (1 << 8 * size)).to_bytes(size, "little")
            elif how == 3:
                del data[at : at + chance.randrange(1, 40)]
            elif how == 4:
                data[at:at] = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 40)))
            elif how == 5:
                del data[at:]
            else:
                other = chance.choice(files)
                start = chance.randrange(len(other))
                data[at : at + 64] = other[start : start + 64]
            if not data:
                data = bytearray(b"\0")
        yield seed, bytes(data)


def load_mutated(seeds, path, answers):
    """Load files into networks: each loads, or is refused by an error of ours, and the network is as before then."""
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()  # the parent's, too
    resource.setrlimit(resource.RLIMIT_AS, (taken + (8 << 30), taken + (8 << 30)))
    warnings.simplefilter("ignore")
    begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes = Counter()
    for seed, data in mutations(seeds):
        path.write_bytes(data)
        answers.put(seed)
        net = target(seed)
        before = ik.fingerprint(net) if seed % 2 else None
        try:
            ik.load(net, path, ties=("check", "apply", "ignore")[seed % 3], allow_missing=seed % 5 == 0,
                    ignore_extra=seed % 7 == 0, cast_dtype=seed % 11 == 0)  # fmt: skip
            mx.nd.waitall()
            outcomes["loaded"] += 1
            ik.inspect(path)  # what `load` reads, `inspect` reads
        except (ik.CheckpointError, ik.LoadError) as error:
            outcomes[type(error).__name__] += 1
            assert before is None or ik.fingerprint(net) == before
    answers.put((outcomes, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - begun) >> 10))


def test_mutated_files(tmp_path):
    """A child with little memory loads them."""
    total, most = Counter(), 0
    count = rounds(300, 20_000)
    for first in range(0, count, 2000):
        answers = multiprocessing.get_context("fork").SimpleQueue()
        seeds = range(first, min(first + 2000, count))
        process = forked(partial(load_mutated, seeds, tmp_path / "x.params", answers))
        for seed in seeds:
            while answers.empty() and process.is_alive():
                time.sleep(0.001)
            assert not answers.empty(), f"the child ended before file {seed}"
            assert answers.get() == seed
        process.join()
        assert process.exitcode == 0, f"exit code {process.exitcode} at or after file {seed}"
        outcomes, grown = answers.get()
        total, most = total + outcomes, max(most, grown)
    print(dict(total), f"{most} MB more than before")
    assert all(total[kind] for kind in ("loaded", "CheckpointError", "LoadError")) and most < 500
