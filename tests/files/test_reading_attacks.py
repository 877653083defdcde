"""Attacks on `inspect`: files that are cut or rewritten while they are read, and mutated files by the thousand.

They run in processes of their own, which a fault may kill. GLUON_INITKIT_LONG=1 runs as many rounds as the issue asks
for.
"""

import json
import os
import struct
import subprocess
import sys

from gluon_initkit.cli import main
import numpy as np
from params_files import dense, listed
import pytest

pytestmark = pytest.mark.slow

LONG = bool(os.environ.get("GLUON_INITKIT_LONG"))


# `ru_maxrss` counts what the parent had before the child began.
PEAK = """
import re
def peak():
    with open("/proc/self/status") as file:
        return int(re.search(r"VmHWM:\\s+(\\d+) kB", file.read()).group(1)) >> 10
"""


def attacked(code, *arguments):
    """What a child process that runs this code prints as JSON; it must end by itself, and well."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", PEAK + code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3600, env=environment)
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
    outcome = json.loads(done.stdout.splitlines()[-1])
    print(outcome)
    return outcome


CUT = """
import json, os, random, sys, threading, time
import numpy
from gluon_initkit.inspector import CheckpointError, inspect
path, how, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
data, random_ = open(path, "rb").read(), random.Random(7)
took = 1e9
for _ in range(3):  # the first one imports
    start = time.perf_counter()
    expected = inspect(path, stats=True)
    took = min(took, time.perf_counter() - start)
outcome = {"rounds": rounds, "whole": 0, "refused": 0}
noise = os.urandom(len(data) // 2)  # which takes longer than to read the file

def harm(delay):
    time.sleep(delay)
    if how == "truncate":
        os.truncate(path, random_.randrange(len(data)))
    else:
        with open(path, "r+b") as file:
            file.write(noise)
            file.truncate()

for number in range(rounds):
    with open(path, "wb") as file:
        file.write(data)
    held = inspect(path).live.values("w0")
    harming = threading.Thread(target=harm, args=(took * 1.2 * number / rounds,))
    harming.start()
    try:
        report = inspect(path, stats=True)
        outcome["whole"] += report.records == expected.records
        assert report.records == expected.records
    except CheckpointError:
        outcome["refused"] += 1
    harming.join()
    assert (held == 0.5).all()  # what a user holds is his own
print(json.dumps(outcome))
"""


@pytest.mark.parametrize("kind", ["params", "safetensors"])
@pytest.mark.parametrize("how", ["truncate", "rewrite"])
def test_a_file_that_is_cut_or_rewritten_while_it_is_read_is_an_error_and_kills_nothing(how, kind, tmp_path):
    values = [np.full((1 << 18, 4), 0.5, "float32")] * 3 + [np.arange(1 << 20, dtype="float32")] * 3
    path = tmp_path / f"a.{kind}"
    path.write_bytes(listed([dense(2, each) for each in values], [f"w{number}" for number in range(6)]))
    if kind == "safetensors":
        (tmp_path / "a.params").write_bytes(path.read_bytes())
        assert main(["convert", str(tmp_path / "a.params"), str(path)]) == 0
    outcome = attacked(CUT, path, how, 30 if LONG else 4)
    assert outcome["whole"] + outcome["refused"] == outcome["rounds"] and outcome["refused"]


MUTATED = """
import json, os, random, resource, struct, sys
from gluon_initkit.inspector import CheckpointError, inspect
folder, rounds, memory = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
seeds = [open(os.path.join(folder, name), "rb").read() for name in sorted(os.listdir(folder))]
random_ = random.Random(11)
words = [struct.pack("<Q", word) for word in (0, 1, 2, 255, 1 << 16, 1 << 31, 1 << 32, 1 << 62, (1 << 64) - 1)]
words += [struct.pack("<i", word) for word in (-1, 0, 1, 3, 32, 33, 1 << 30)] + [b"PK", b"[" * 64, b"{}", b"\\xff\\xfe"]
outcome = {"rounds": rounds, "read": 0, "refused": 0}
path = os.path.join(folder, "mutated")
for number in range(rounds):
    data = bytearray(random_.choice(seeds))
    for _ in range(random_.randrange(1, 6)):
        at, kind = random_.randrange(len(data) + 1), random_.random()
        if kind < 0.3 and data:
            data[at % len(data)] ^= 1 << random_.randrange(8)
        elif kind < 0.7:
            word = random_.choice(words)
            data[at : at + len(word) * (kind < 0.6)] = word
        elif kind < 0.8:
            del data[at:]
        elif kind < 0.9:
            del data[at : at + random_.randrange(64)]
        else:
            other = random_.choice(seeds)
            begin = random_.randrange(len(other))
            data[at:at] = other[begin : begin + random_.randrange(200)]
    with open(path, "wb") as file:
        file.write(data)
    try:
        report = inspect(path, stats=True)
        str(report)
        for record in report.records[:50]:
            if record.stats is not None:
                report.live.values(record.path)[...] = 0
        outcome["read"] += 1
    except CheckpointError as error:
        assert str(error).isprintable()
        outcome["refused"] += 1
    except BaseException:
        print("round", number, data.hex(), file=sys.stderr)
        raise
outcome["peak MB"] = peak()
print(json.dumps(outcome))
"""


def sparse():
    """A row_sparse array of shape (5, 2) with two rows."""
    head = struct.pack("<Ii", 0xF993FAC9, 1) + struct.pack("<iqq", 2, 2, 2) + struct.pack("<iqq", 2, 5, 2)
    head += struct.pack("<iii", 1, 0, 0) + struct.pack("<iiq", 6, 1, 2)
    return head + np.ones((2, 2), "float32").tobytes() + np.array([1, 3], "int64").tobytes()


def test_mutated_files_are_read_or_refused_in_little_memory(tmp_path):
    matrix = np.arange(12, dtype="float32").reshape(3, 4)
    versions = [dense(version, matrix) for version in (0, 1, 2, 3)]
    half = dense(2, matrix.astype("float16"))
    ties = json.dumps({"version": 1, "groups": [
        {"canonical": ["a"], "aliases": ["x", "y"], "transposed": ["y"]}]}).encode()  # fmt: skip
    (tmp_path / "versions").write_bytes(listed(versions, "abcd"))
    (tmp_path / "sparse").write_bytes(listed([sparse(), half], ["arg:w", "aux:b"]))
    (tmp_path / "ties").write_bytes(
        listed([half, versions[2]], ["a", "b"]) + ties + struct.pack("<Q8s", len(ties), b"GIKTIES\0")
    )
    for name, save in (("stored.npz", np.savez), ("deflated.npz", np.savez_compressed)):
        save(str(tmp_path / name), **{"0.weight": matrix, "turned": matrix.T, "0.bias": np.zeros(3, "int8")})
    pytest.importorskip("safetensors.numpy").save_file({"0.weight": matrix, "0.bias": matrix[0].astype("int8")},
                                                       tmp_path / "other", {"1.weight": "0.weight"})  # fmt: skip
    outcome = attacked(MUTATED, tmp_path, 10_000 if LONG else 200, 1 << 30)
    assert outcome["read"] + outcome["refused"] == outcome["rounds"] and outcome["read"] and outcome["refused"]


ZEROS = """
import json, sys, time
from gluon_initkit.inspector import inspect
start = time.process_time()
report = inspect(sys.argv[1], stats=True)
print(json.dumps({"arrays": sum(record.stats is not None for record in report.records), "peak MB": peak(),
                  "zeros": report.records[-1].stats.zeros, "seconds": round(time.process_time() - start, 1)}))
"""


@pytest.mark.parametrize("others", [0, 1])
def test_many_arrays_of_zeros_in_a_small_zip_file_take_little_memory_and_time(others, tmp_path):
    count, values = (60, np.zeros((1 << 16, 64), "float32")) if LONG else (8, np.zeros((1 << 14, 64), "float32"))
    values[:others, :3] = (1, 2, 3)
    np.savez_compressed(str(tmp_path / "a.npz"), **{f"w{number}": values for number in range(count)})
    outcome = attacked(ZEROS, tmp_path / "a.npz")
    assert outcome["arrays"] == count and outcome["zeros"] == values.size - 3 * others
    assert outcome["peak MB"] < 300 and outcome["seconds"] < 120


DESCRIPTORS = """
import json, resource, sys
from gluon_initkit.inspector import inspect
resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))
report = inspect(sys.argv[1], stats=True)
held = [report.live.values(record.path) for record in report.records]
print(json.dumps({"arrays": len(held), "statistics": sum(record.stats.mean == 1 for record in report.records)}))
"""


def test_a_file_takes_one_descriptor_however_many_arrays_it_holds(tmp_path):
    array = dense(2, np.ones((64, 65), "float32"))
    (tmp_path / "a.params").write_bytes(listed([array] * 1100, [f"w{number}" for number in range(1100)]))
    assert attacked(DESCRIPTORS, tmp_path / "a.params") == {"arrays": 1100, "statistics": 1100}


MANY = """
import json, sys, time
from gluon_initkit.inspector import inspect
start = time.process_time()
text = str(inspect(sys.argv[1]))
print(json.dumps({"text": text, "lines": len(text.splitlines()), "peak MB": peak(),
                  "seconds": round(time.process_time() - start, 1)}))
"""


def test_the_text_of_very_many_arrays_has_a_row_for_those_alike(tmp_path):
    count = 1_000_001 if LONG else 120_001
    arrays = [dense(2, np.ones(1 + number % 2, "float32")) for number in range(2)] * (count // 2 + 1)
    (tmp_path / "a.params").write_bytes(listed(arrays[:count], [f"w{number}" for number in range(count)]))
    outcome = attacked(MANY, tmp_path / "a.params")
    assert f"x{count // 2 + 1}" in outcome["text"] and outcome["lines"] < 20
    assert f"in {count:,} parameters" in outcome["text"] and outcome["peak MB"] < (1200 if LONG else 300)


HEADERS = """
import json, sys
from gluon_initkit.files import read_headers
print(json.dumps(len(read_headers(sys.argv[1]))))
"""


def test_a_file_of_more_arrays_than_a_million_is_read(tmp_path):
    count = 2_000_000 if LONG else 1_100_000
    data = struct.pack("<QQQ", 0x112, 0, count) + struct.pack("<I", 0) * count + struct.pack("<Q", count)
    names = (b"%d" % number for number in range(count))
    (tmp_path / "a.params").write_bytes(data + b"".join(struct.pack("<Q", len(name)) + name for name in names))
    assert attacked(HEADERS, tmp_path / "a.params") == count
