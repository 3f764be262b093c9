"""Merkle trees in the shapes of RFC 9162: roots, and proofs of inclusion and consistency.

Invariant: only complete subtrees are nodes, so a node never changes once it is known. A node has a
level (0: leaves) and a place in its level. pymerkle has these shapes too, but under the GPL.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

EMPTY_ROOT = hashlib.sha256().digest()


class Node(NamedTuple):
    """Where a complete subtree stands."""

    level: int
    place: int


Get = Callable[[Node], bytes]


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def peaks_of(size: int) -> list[Node]:
    """The complete subtrees that a tree of this size consists of, from left to right."""
    peaks, first = [], 0
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            peaks.append(Node(level, first >> level))
            first += 1 << level
    return peaks


class Growing:
    """A tree that leaves are appended to, of which only the peaks are in memory."""

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self.size = size
        self._peaks = list(peaks)

    def append(self, leaf: bytes) -> list[tuple[Node, bytes]]:
        """Appends the hash of a leaf. Returns the nodes that are complete now: the leaf first."""
        hashed, level, place = leaf, 0, self.size
        nodes = [(Node(0, place), leaf)]
        while place & 1:
            hashed = node_hash(self._peaks.pop(), hashed)
            level, place = level + 1, place >> 1
            nodes.append((Node(level, place), hashed))
        self._peaks.append(hashed)
        self.size += 1
        return nodes

    @property
    def root(self) -> bytes:
        return _joined(self._peaks)


def _joined(hashes: Sequence[bytes]) -> bytes:
    if not hashes:
        return EMPTY_ROOT
    joined = hashes[-1]
    for left in reversed(hashes[:-1]):
        joined = node_hash(left, joined)
    return joined


def root_of(get: Get, size: int) -> bytes:
    return _joined([get(node) for node in peaks_of(size)])


def inclusion_proof(get: Get, index: int, size: int) -> list[bytes]:
    """The audit path of a leaf (RFC 9162, 2.1.3.1)."""
    if not 0 <= index < size:
        raise ValueError("there is no such leaf")
    first, last, path = 0, size, []
    while last - first > 1:
        middle = first + _split(last - first)
        if index < middle:
            path.append(_range_hash(get, middle, last))
            last = middle
        else:
            path.append(_range_hash(get, first, middle))
            first = middle
    return path[::-1]


def consistency_proof(get: Get, earlier: int, later: int) -> list[bytes]:
    """That a tree of one size is the beginning of a later one (RFC 9162, 2.1.4.1)."""
    if not 0 < earlier <= later:
        raise ValueError("the first tree is not a part of the second")
    first, last, is_whole, path = 0, later, True, []
    while earlier != last:
        middle = first + _split(last - first)
        if earlier <= middle:
            path.append(_range_hash(get, middle, last))
            last = middle
        else:
            path.append(_range_hash(get, first, middle))
            first, is_whole = middle, False
    if not is_whole:
        path.append(_range_hash(get, first, last))
    return path[::-1]


def includes(root: bytes, leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bool:
    """Whether a path leads from a leaf to the root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    hashed, place, last = leaf, index, size - 1
    for each in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            hashed = node_hash(each, hashed)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            hashed = node_hash(hashed, each)
        place, last = place >> 1, last >> 1
    return last == 0 and hashed == root


def is_consistent(
    earlier: int, root: bytes, later: int, later_root: bytes, path: Sequence[bytes]
) -> bool:
    """Whether a path proves one tree to be the beginning of another (RFC 9162, 2.1.4.2)."""
    if earlier == later:
        return not path and root == later_root
    if not 0 < earlier < later or not path:
        return False
    path = list(path) if earlier & (earlier - 1) else [root, *path]
    place, last = earlier - 1, later - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = path[0]
    for each in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old, new = node_hash(each, old), node_hash(each, new)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, each)
        place, last = place >> 1, last >> 1
    return last == 0 and (old, new) == (root, later_root)


def _split(size: int) -> int:
    """The largest power of two below the size."""
    return 1 << (size - 1).bit_length() - 1


def _range_hash(get: Get, first: int, last: int) -> bytes:
    """The hash of the leaves from `first` to before `last`."""
    nodes, at = [], first
    while at < last:
        level = (last - at).bit_length() - 1
        while at & ((1 << level) - 1):
            level -= 1
        nodes.append(Node(level, at >> level))
        at += 1 << level
    return _joined([get(node) for node in nodes])


def nodes_read(compute: Callable[[Get], object]) -> set[Node]:
    """The nodes that a computation reads, so that they can be fetched together."""
    read: set[Node] = set()

    def note(node: Node) -> bytes:
        read.add(node)
        return b""

    compute(note)
    return read
