"""Merkle trees: the published vectors of RFC 6962 and RFC 9162, and all proofs of small trees."""

from itertools import product

import pytest

from common.proof.merkle import (
    EMPTY_ROOT,
    Growing,
    Node,
    consistency_proof,
    includes,
    inclusion_proof,
    is_consistent,
    leaf_hash,
    nodes_read,
    root_of,
)

# The vectors of the Certificate Transparency project, one leaf after the other.
LEAVES = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
SIZES = range(1, 18)


def tree(size: int) -> dict[Node, bytes]:
    nodes: dict[Node, bytes] = {}
    growing = Growing()
    for number in range(size):
        nodes.update(growing.append(leaf_hash(b"%d" % number)))
    return nodes


def test_roots_are_those_of_the_published_vectors() -> None:
    nodes: dict[Node, bytes] = {}
    growing = Growing()
    assert growing.root == EMPTY_ROOT

    for leaf, root in zip(LEAVES, ROOTS, strict=True):
        nodes.update(growing.append(leaf_hash(bytes.fromhex(leaf))))

        assert growing.root.hex() == root
        assert root_of(nodes.__getitem__, growing.size).hex() == root


def test_published_proofs() -> None:
    nodes: dict[Node, bytes] = {}
    growing = Growing()
    for leaf in LEAVES:
        nodes.update(growing.append(leaf_hash(bytes.fromhex(leaf))))

    path = inclusion_proof(nodes.__getitem__, 5, 8)
    assert [each.hex()[:16] for each in path] == [
        "bc1a0643b12e4d2d",
        "ca854ea128ed050b",
        "d37ee418976dd957",
    ]
    assert [each.hex()[:16] for each in consistency_proof(nodes.__getitem__, 6, 8)] == [
        "0ebc5d3437fbe2db",
        "ca854ea128ed050b",
        "d37ee418976dd957",
    ]


@pytest.mark.parametrize("size", SIZES)
def test_each_leaf_is_included_and_no_other(size: int) -> None:
    nodes = tree(size)
    root = root_of(nodes.__getitem__, size)

    for index in range(size):
        path = inclusion_proof(nodes.__getitem__, index, size)

        assert includes(root, nodes[Node(0, index)], index, size, path)
        assert not includes(root, leaf_hash(b"other"), index, size, path)
        assert not includes(root, nodes[Node(0, index)], index + 1, size, path)
        assert nodes_read(lambda get, at=index: inclusion_proof(get, at, size)) <= set(nodes)  # type: ignore[misc]


@pytest.mark.parametrize(("earlier", "later"), [*product(SIZES, SIZES)])
def test_each_tree_is_the_beginning_of_a_later_one(earlier: int, later: int) -> None:
    nodes = tree(max(earlier, later))
    roots = [root_of(nodes.__getitem__, size) for size in (earlier, later)]
    if earlier > later:
        with pytest.raises(ValueError, match="not a part"):
            consistency_proof(nodes.__getitem__, earlier, later)
        return

    path = consistency_proof(nodes.__getitem__, earlier, later)

    assert is_consistent(earlier, roots[0], later, roots[1], path)
    assert not is_consistent(earlier, leaf_hash(b""), later, roots[1], path)
    assert not is_consistent(earlier, roots[0], later, leaf_hash(b""), path)


def test_head_that_continues_another_tree_is_refused() -> None:
    ours, other = tree(7), tree(7)
    growing = Growing()
    other.update(growing.append(leaf_hash(b"another")))
    for number in range(1, 7):
        other.update(growing.append(leaf_hash(b"%d" % number)))

    path = consistency_proof(other.__getitem__, 3, 7)

    assert not is_consistent(
        3, root_of(ours.__getitem__, 3), 7, root_of(other.__getitem__, 7), path
    )
