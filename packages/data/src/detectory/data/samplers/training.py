"""Samplers for training: uniform, a subset, repeated by category frequency, weighted, mixed by dataset."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import torch

from .stream import InfiniteSampler


class TrainingSampler(InfiniteSampler):
    """Endlessly `shuffle(range(size)) + shuffle(range(size)) + …`, shared among all processes.

    Args:
        size: Number of samples of the dataset.
        shuffle: Whether each epoch is shuffled.
        seed: The same in all processes; None draws one that they share.

    Example:
        >>> from itertools import islice
        >>> list(islice(TrainingSampler(3, shuffle=False), 7))
        [0, 1, 2, 0, 1, 2, 0]
    """

    def epoch_length(self, epoch: int) -> int:
        """Count the indices of an epoch: all of the dataset."""
        del epoch
        return self.size


class RandomSubsetTrainingSampler(TrainingSampler):
    """Like `TrainingSampler` on a random part of the dataset, the same part in every epoch.

    Args:
        size: Number of samples of the dataset.
        subset_ratio: Part of the samples to use, in (0, 1].
        shuffle: Whether each epoch is shuffled.
        seed_shuffle: Seed of the order; None draws one.
        seed_subset: Seed of the choice; None draws one.
    """

    def __init__(
        self,
        size: int,
        subset_ratio: float,
        shuffle: bool = True,
        seed_shuffle: int | None = None,
        seed_subset: int | None = None,
    ) -> None:
        super().__init__(size, shuffle=shuffle, seed=seed_shuffle)
        if not 0.0 < subset_ratio <= 1.0:
            raise ValueError(f"RandomSubsetTrainingSampler: subset_ratio must lie in (0, 1], got {subset_ratio}")
        self.subset_ratio = subset_ratio
        self._size_subset = int(size * subset_ratio)
        if self._size_subset == 0:
            raise ValueError(f"RandomSubsetTrainingSampler: {subset_ratio} of {size} samples is none")
        # The choice of the subset must not follow the seed of the order, which a loaded state replaces.
        self.seed_subset = InfiniteSampler(1, seed=seed_subset).seed
        self._choose_subset()

    def _choose_subset(self) -> None:
        generator = torch.Generator().manual_seed(self.seed_subset % (1 << 63))
        self._subset = torch.randperm(self.size, generator=generator)[: self._size_subset]

    def epoch_length(self, epoch: int) -> int:
        """Count the indices of an epoch: all of the subset."""
        del epoch
        return self._size_subset

    def _choose(self, generator: torch.Generator) -> torch.Tensor:
        del generator
        return self._subset

    def state_dict(self, consumed: int = 0) -> dict[str, Any]:
        """Describe the place, and which subset was chosen."""
        return {**super().state_dict(consumed), "seed_subset": self.seed_subset}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where a state was made, with its subset."""
        super().load_state_dict(state)
        self.seed_subset = state["seed_subset"]
        self._choose_subset()


class RepeatFactorTrainingSampler(InfiniteSampler):
    """Like `TrainingSampler`, but each sample appears in an epoch as often as its repeat factor says.

    The fraction of a factor is rounded up by chance, anew in each epoch.

    Args:
        repeat_factors: `(size,)` floats; all ones make a `TrainingSampler`.
        shuffle: Whether each epoch is shuffled.
        seed: The same in all processes; None draws one that they share.
    """

    def __init__(self, repeat_factors: torch.Tensor, *, shuffle: bool = True, seed: int | None = None) -> None:
        factors = torch.as_tensor(repeat_factors, dtype=torch.float64)
        if factors.ndim != 1 or len(factors) == 0 or not bool((factors >= 0).all()) or not bool((factors > 0).any()):
            raise ValueError(
                "RepeatFactorTrainingSampler: repeat_factors must be one row of numbers >= 0, not all 0, "
                f"got shape {tuple(factors.shape)}"
            )
        super().__init__(len(factors), shuffle=shuffle, seed=seed)
        self._whole = factors.floor()
        self._fraction = factors - self._whole

    def _repeats(self, generator: torch.Generator) -> torch.Tensor:
        chance = torch.rand(self.size, generator=generator, dtype=torch.float64)
        return (self._whole + (chance < self._fraction)).to(torch.int64)

    def epoch_length(self, epoch: int) -> int:
        """Count the indices of an epoch."""
        return int(self._repeats(self._generator(epoch)).sum())

    def _choose(self, generator: torch.Generator) -> torch.Tensor:
        return torch.repeat_interleave(torch.arange(self.size), self._repeats(generator))

    @staticmethod
    def repeat_factors_from_category_frequency(
        dataset_dicts: Iterable[dict], repeat_thresh: float, sqrt: bool = True
    ) -> torch.Tensor:
        """Compute each image's repeat factor from its rarest category.

        A category that appears in a fraction `f` of the images has the factor `max(1, sqrt(t / f))`.

        Args:
            dataset_dicts: Items with `annotations`, each with a `category_id`.
            repeat_thresh: `t`; categories with a larger `f` are not repeated.
            sqrt: Whether to take the square root.

        Returns:
            `(number of images,)` float32; an image without annotations has the factor 1.

        Source: A. Gupta, P. Dollár, R. Girshick: LVIS, 2019, appendix B.2.
        """
        categories = [{annotation["category_id"] for annotation in item["annotations"]} for item in dataset_dicts]
        counts = Counter(category for of_image in categories for category in of_image)
        factor = {}
        for category, count in counts.items():
            ratio = repeat_thresh / (count / len(categories))
            factor[category] = max(1.0, math.sqrt(ratio) if sqrt else ratio)
        return torch.tensor([max((factor[c] for c in of_image), default=1.0) for of_image in categories])


class WeightedTrainingSampler(InfiniteSampler):
    """Draw samples with replacement, each with a probability in proportion to its weight.

    Args:
        weights: `(size,)` numbers >= 0, not all 0.
        seed: The same in all processes; None draws one that they share.
    """

    def __init__(self, weights: Sequence[float] | torch.Tensor, *, seed: int | None = None) -> None:
        self.weights = torch.as_tensor(weights, dtype=torch.float64)
        if self.weights.ndim != 1 or not bool((self.weights >= 0).all()) or not bool((self.weights > 0).any()):
            raise ValueError(
                f"{type(self).__name__}: weights must be one row of numbers >= 0, not all 0, "
                f"got shape {tuple(self.weights.shape)}"
            )
        super().__init__(len(self.weights), shuffle=False, seed=seed)

    def epoch_length(self, epoch: int) -> int:
        """Count the indices of an epoch: as many as there are samples."""
        del epoch
        return self.size

    def _choose(self, generator: torch.Generator) -> torch.Tensor:
        # A search in the cumulative sum has no limit on the number of categories, unlike torch.multinomial.
        total = self.weights.cumsum(0)
        drawn = torch.rand(self.size, generator=generator, dtype=torch.float64) * total[-1]
        last = int(self.weights.nonzero()[-1])
        return torch.searchsorted(total, drawn, right=True).clamp(max=last)


class DatasetMixingSampler(WeightedTrainingSampler):
    """Mix datasets that were joined one after the other, each with a share of its own.

    Args:
        sizes: Number of samples of each dataset, in the order in which they were joined.
        shares: One number >= 0 for each dataset; a dataset with twice the share gives twice the samples, whatever
            its size.
        seed: The same in all processes; None draws one that they share.
    """

    def __init__(self, sizes: Sequence[int], shares: Sequence[float], *, seed: int | None = None) -> None:
        if len(sizes) != len(shares) or any(size <= 0 for size in sizes):
            raise ValueError(
                f"DatasetMixingSampler: sizes must be positive and as many as shares, got {sizes} and {shares}"
            )
        weights = [torch.full((size,), share / size) for size, share in zip(sizes, shares, strict=True)]
        super().__init__(torch.cat(weights), seed=seed)
        self.sizes, self.shares = tuple(sizes), tuple(shares)
