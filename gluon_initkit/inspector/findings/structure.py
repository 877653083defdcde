"""Findings about how a network is put together: Blocks that it does not register, names and paths that collide, cached
graphs that have seen other children.
"""

from typing import Iterator

from .registry import Evidence, Inspected, check


@check("colliding-path", "Two parameters of the network have one path.")
def _colliding_path(inspected: Inspected) -> Iterator[Evidence]:
    for path in inspected.structure.same_paths:
        yield ("error", (path,), "two parameters have this path: values are drawn, saved and loaded by path",
               "give the children of each Block, and its parameters, names without a dot")  # fmt: skip


@check("unregistered-block", "A list, tuple, dictionary or set holds Blocks that the network lacks.")
def _unregistered_block(inspected: Inspected) -> Iterator[Evidence]:
    for path, seen, hint in inspected.structure.unregistered:
        yield "warning", (path,), seen, hint


@check("stale-graph", "A cached graph is of other parameters than its block has: a child was exchanged.")
def _stale_graph(inspected: Inspected) -> Iterator[Evidence]:
    for paths, seen, hint in inspected.structure.stale_graphs:
        yield "error", paths, seen, hint


@check("colliding-name", "Several parameters of the network have one global name.")
def _colliding_name(inspected: Inspected) -> Iterator[Evidence]:
    for name, paths in inspected.structure.same_names:
        yield ("warning", paths, f"they have one global name, {name!r}: collect_params raises, and so do "
               "net.initialize, a Trainer of it and hybridize", "give each layer a prefix of its own")  # fmt: skip
