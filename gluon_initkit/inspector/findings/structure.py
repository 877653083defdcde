"""What is wrong with how a network is put together: Blocks that it does not register, names and paths that collide;
cached graphs that have seen other children.
"""

from dataclasses import dataclass
from typing import Iterator, Tuple

from .check import StructureCheck, Suspicion

__all__ = ["CHECKS", "NOTHING", "Structure"]


@dataclass(frozen=True)
class Structure:
    """Facts of the network as a whole, as plain data. A file has none of them.

    Attributes
    ----------
    unregistered : tuple of (str, str, str)
        Attributes whose containers hold Blocks that are no part of the network: path, what was found, what to do.
    same_paths : tuple of str
        The paths at which two parameters stand.
    same_names : tuple of (str, tuple of str)
        Global names that several parameters have, and their paths.
    stale_graphs : tuple of (tuple of str, str, str)
        Cached graphs of other parameters than their block has: paths, what was found, what to do.
    """

    unregistered: Tuple[Tuple[str, str, str], ...] = ()
    same_paths: Tuple[str, ...] = ()
    same_names: Tuple[Tuple[str, Tuple[str, ...]], ...] = ()
    stale_graphs: Tuple[Tuple[Tuple[str, ...], str, str], ...] = ()


NOTHING = Structure()
"""Nothing is wrong with it, as with a file."""


def _same_paths(structure: Structure) -> Iterator[Suspicion]:
    for path in structure.same_paths:
        yield ("error", (path,), "two parameters have this path: values are drawn, saved and loaded by path",
               "give the children of each Block, and its parameters, names without a dot")  # fmt: skip


def _unregistered(structure: Structure) -> Iterator[Suspicion]:
    for path, said, mend in structure.unregistered:
        yield "warning", (path,), said, mend


def _same_names(structure: Structure) -> Iterator[Suspicion]:
    for name, paths in structure.same_names:
        yield ("warning", paths, f"they have one global name, {name!r}: collect_params raises, and so do "
               f"net.initialize, a Trainer of it and hybridize", "give each layer a prefix of its own")  # fmt: skip


def _stale_graphs(structure: Structure) -> Iterator[Suspicion]:
    for paths, said, mend in structure.stale_graphs:
        yield "error", paths, said, mend


CHECKS = (
    StructureCheck("colliding-path", "Two parameters of the network have one path.", _same_paths),
    StructureCheck("unregistered-block", "A list, tuple, dictionary or set holds Blocks that the network lacks.",
                   _unregistered),
    StructureCheck("stale-graph", "A cached graph is of other parameters than its block has: a child was exchanged.",
                   _stale_graphs),
    StructureCheck("colliding-name", "Several parameters of the network have one global name.", _same_names),
)  # fmt: skip
