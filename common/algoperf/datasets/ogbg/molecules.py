"""Random molecules that respect valences: graphs with the sizes, degrees and rings of drug-like ones."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

# Element -> atomic number, valence, frequency (roughly as in drug-like molecules, without hydrogen).
ELEMENTS = {
    "C": (6, 4, 0.70), "N": (7, 3, 0.12), "O": (8, 2, 0.11), "F": (9, 1, 0.02), "S": (16, 2, 0.03), "Cl": (17, 1, 0.02),
}  # fmt: skip
SYMBOLS = tuple(ELEMENTS)
_ATOMIC_NUMBERS, VALENCES = (np.array([row[column] for row in ELEMENTS.values()]) for column in (0, 1))
_CUMULATIVE = np.cumsum([row[2] for row in ELEMENTS.values()])
_CARBON = SYMBOLS.index("C")
_RINGS_PER_ATOM = 0.45  # attempts; about a quarter succeed
_RING_SIZES = (5, 6)
_LATEST = 6  # new atoms bond to one of this many latest atoms, which gives chains, not stars
_DRAWS_PER_ATOM = 8  # at most three to add an atom, and seven per attempt to close a ring
_DOUBLE_BONDS, _TRIPLE_BONDS = 0.18, 0.02
_NO_CHARGE = 5  # charges are coded from -5 upwards


@dataclass(frozen=True)
class DrawnMolecules:
    """Many molecules; the atoms and bonds of all are concatenated.

    Attributes:
      num_atoms, num_bonds: sizes of the molecules, int64 (M,).
      elements: index into SYMBOLS of each atom, int64 (A,).
      ends: indices of both atoms of each bond, within the molecule, int64 (B, 2).
      orders: 1, 2 or 3 for each bond, int64 (B,).
      in_ring: whether each bond closes or lies on a ring, bool (B,).
    """

    num_atoms: np.ndarray
    num_bonds: np.ndarray
    elements: np.ndarray
    ends: np.ndarray
    orders: np.ndarray
    in_ring: np.ndarray

    @property
    def flat_ends(self) -> np.ndarray:
        """`ends`, with atom indices over all molecules."""
        firsts = np.cumsum(self.num_atoms) - self.num_atoms
        return self.ends + np.repeat(firsts, self.num_bonds)[:, np.newaxis]

    def per_atom(self, values: np.ndarray) -> np.ndarray:
        """Sums of `values` (B,) over the bonds of each atom, int64 (A,)."""
        return np.bincount(self.flat_ends.ravel(), np.repeat(values, 2), len(self.elements)).astype(np.int64)

    def atom_features(self) -> np.ndarray:
        """Codes of the nine atom features of ogbg-molpcba, uint8 (A, 9).

        Element, chirality, degree, charge, hydrogens, radicals, hybridisation, aromatic or not, in a ring or not. None
        of these molecules is chiral, charged or radical.
        """
        degree, bonded = self.per_atom(np.ones_like(self.orders)), self.per_atom(self.orders)
        pi_bonds = np.minimum(bonded - degree, 2)
        in_ring = self.per_atom(self.in_ring) > 0
        zeros = np.zeros_like(degree)
        hydrogens = VALENCES[self.elements] - bonded
        columns = (
            _ATOMIC_NUMBERS[self.elements] - 1, zeros, degree, zeros + _NO_CHARGE, hydrogens, zeros, 2 - pi_bonds,
            in_ring & (pi_bonds == 1), in_ring,
        )  # fmt: skip
        return np.stack(columns, axis=1).astype(np.uint8)

    def bond_features(self) -> np.ndarray:
        """Codes of the three features of a bond, uint8 (B, 3): order, stereo (none), conjugated (ring and double)."""
        columns = (self.orders - 1, np.zeros_like(self.orders), self.in_ring & (self.orders == 2))
        return np.stack(columns, axis=1).astype(np.uint8)


def draw_molecules(rng: np.random.Generator, num_atoms: np.ndarray) -> DrawnMolecules:
    """Draw molecules with the given numbers of atoms (M,), each at least 2."""
    draws = iter(rng.random(_DRAWS_PER_ATOM * int(num_atoms.sum())).tolist())
    drawn = [_grown(draws, count) for count in num_atoms.tolist()]
    table = np.array([bond for molecule in drawn for bond in molecule.bonds], np.int64)
    return DrawnMolecules(
        num_atoms=num_atoms.astype(np.int64),
        num_bonds=np.array([len(molecule.bonds) for molecule in drawn]),
        elements=np.array([element for molecule in drawn for element in molecule.elements]),
        ends=table[:, :2],
        orders=table[:, 2],
        in_ring=table[:, 3].astype(bool),
    )


def _grown(draws: Iterator[float], num_atoms: int) -> _Molecule:
    """Grow a tree of atoms, then close some rings."""
    molecule = _Molecule(draws)
    for _ in range(num_atoms - 1):
        molecule.add_atom()
    for _ in range(round(_RINGS_PER_ATOM * num_atoms)):
        molecule.close_ring()
    return molecule


class _Molecule:
    """A molecule that grows from a carbon atom. `draws` are uniform in [0, 1)."""

    def __init__(self, draws: Iterator[float]) -> None:
        self._draws = draws
        self.elements: list[int] = []
        self.bonds: list[list[int]] = []  # atom, atom, order, on a ring
        self._free: list[int] = []  # free valences of each atom
        self._bonds_of: list[dict[int, list[int]]] = []  # keyed by the atom at the other end
        self._append(_CARBON)

    def add_atom(self) -> None:
        """Bond a new atom to one of the latest atoms with a free valence."""
        element = int(np.searchsorted(_CUMULATIVE, next(self._draws)))
        if sum(self._free) == 1:  # a monovalent atom on the last free valence would end the growth
            element = _CARBON
        open_atoms = [atom for atom, left in enumerate(self._free) if left]
        latest = [atom for atom in open_atoms if atom >= len(self._free) - _LATEST]
        parent = self._choose(latest or open_atoms)
        atom = self._append(element)
        draw = next(self._draws)
        wanted = 3 if draw < _TRIPLE_BONDS else 2 if draw < _DOUBLE_BONDS else 1
        # Keep one valence free for the next atom.
        spare = (sum(self._free) - 1) // 2
        self._bond(parent, atom, max(1, min(wanted, self._free[parent], self._free[atom], spare)), on_ring=False)

    def close_ring(self) -> None:
        """Bond the ends of a random path of five or six atoms, if both have a free valence."""
        size = self._choose(_RING_SIZES)
        open_atoms = [atom for atom, left in enumerate(self._free) if left]
        path = [self._choose(open_atoms)] if open_atoms else []
        while 0 < len(path) < size:
            further = [atom for atom in self._bonds_of[path[-1]] if atom not in path]
            path = [*path, self._choose(further)] if further else []
        if path and self._free[path[-1]] and path[0] not in self._bonds_of[path[-1]]:
            for first, second in itertools.pairwise(path):
                self._bonds_of[first][second][3] = True
            self._bond(path[0], path[-1], 1, on_ring=True)

    def _append(self, element: int) -> int:
        self.elements.append(element)
        self._free.append(int(VALENCES[element]))
        self._bonds_of.append({})
        return len(self.elements) - 1

    def _bond(self, first: int, second: int, order: int, *, on_ring: bool) -> None:
        bond = [first, second, order, on_ring]
        self.bonds.append(bond)
        self._bonds_of[first][second] = self._bonds_of[second][first] = bond
        self._free[first] -= order
        self._free[second] -= order

    def _choose(self, choices: Sequence[int]) -> int:
        return choices[int(next(self._draws) * len(choices))]
