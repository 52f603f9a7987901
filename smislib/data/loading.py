"""Batches as a pure function of (seed, step): what makes a resumed run equal to a straight one, on any number of devices."""

from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from ..sample import generator
from . import collate


class StepSampler(Sampler[list[int]]):
    """The indices of each step's batch. Every epoch is a new permutation; a rank takes its slice of the global batch."""

    def __init__(self, n: int, batch: int, seed: int, steps: range, rank: int = 0, world: int = 1):
        self.n, self.batch, self.seed, self.steps, self.rank, self.world = n, batch, seed, steps, rank, world
        self._orders: dict[int, torch.Tensor] = {}

    def indices(self, step: int) -> list[int]:
        """The global batch of one step, then this rank's share of it."""
        positions = range(step * self.batch, (step + 1) * self.batch)
        orders = {epoch: self._permutation(epoch) for epoch in {p // self.n for p in positions}}
        picked = [int(orders[p // self.n][p % self.n]) for p in positions]
        return picked[self.rank :: self.world]

    def _permutation(self, epoch: int) -> torch.Tensor:
        if epoch not in self._orders:  # a step needs one, or two where an epoch ends in it
            self._orders = dict([*self._orders.items()][-1:])
            self._orders[epoch] = torch.randperm(self.n, generator=generator(self.seed, "order", epoch))
        return self._orders[epoch]

    def __iter__(self) -> Iterator[list[int]]:
        return (self.indices(step) for step in self.steps)

    def __len__(self) -> int:
        return len(self.steps)


def loader(dataset: Dataset, sampler: StepSampler, workers: int, pin: bool) -> DataLoader:
    """Batches on the CPU, in the order of the sampler. Workers live as long as the loop over it; each is 4 batches ahead.

    `pin`: in page-locked memory, from where a GPU fetches them while it computes.
    """
    return DataLoader(
        dataset,
        batch_sampler=sampler,
        collate_fn=collate,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        pin_memory=pin,
        generator=torch.Generator().manual_seed(0),  # workers' base seed: keeps the global RNG out of the loop
    )
