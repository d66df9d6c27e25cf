"""Statistics of one parameter and their inverse roots."""

import dataclasses

import torch


@dataclasses.dataclass(frozen=True)
class GraftingConfig:
    beta2: float = 0.99
    epsilon: float = 1e-8


class KroneckerFactors:
    """Both sides of a matrix, and an identity until the first inverse."""

    def __init__(self, param):
        self.shape = (param.shape[0], param.numel() // param.shape[0])
        self.factors = [torch.zeros(size, size) for size in self.shape]
        self.inverses = None
        self.age = 0

    def update(self, grad, epsilon, due):
        matrix = grad.reshape(self.shape)
        self.factors[0].addmm_(matrix, matrix.T)
        self.factors[1].addmm_(matrix.T, matrix)
        self.age += 1
        if due:
            self.inverses = tuple(self._root(factor, epsilon) for factor in self.factors)

    def precondition(self, grad):
        if self.inverses is None:
            return grad
        left, right = self.inverses
        return (left @ grad.reshape(self.shape) @ right).reshape(grad.shape)

    @staticmethod
    def _root(factor, epsilon):
        values, vectors = torch.linalg.eigh(factor)
        return vectors @ torch.diag(values.clamp(min=0).add(epsilon * values.max() + 1e-12).pow(-0.25)) @ vectors.T
