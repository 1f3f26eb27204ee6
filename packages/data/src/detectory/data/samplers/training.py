"""Training samplers: uniform, random subset, repeat factor, weighted, and mixed by dataset."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import torch

from detectory.structures import DatasetRecord

from .stream import InfiniteSampler


class TrainingSampler(InfiniteSampler):
    """The infinite stream `shuffle(range(size)) + shuffle(range(size)) + …`, split among all processes.

    Args:
        size: The number of samples in the dataset.
        shuffle: Whether to shuffle each epoch.
        seed: The seed, equal in all processes; None draws a random seed that all processes share.

    Example:
        >>> from itertools import islice
        >>> list(islice(TrainingSampler(3, shuffle=False), 7))
        [0, 1, 2, 0, 1, 2, 0]
    """

    def epoch_length(self, epoch: int) -> int:
        """Return the size of the dataset."""
        del epoch
        return self.size


class RandomSubsetTrainingSampler(TrainingSampler):
    """A `TrainingSampler` of a random subset of the dataset, the same subset in every epoch.

    Args:
        size: The number of samples in the dataset.
        subset_ratio: The fraction of samples to use, in (0, 1].
        shuffle: Whether to shuffle each epoch.
        seed_shuffle: The seed of the order; None draws one.
        seed_subset: The seed of the subset; None draws one.
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
            raise ValueError(f"RandomSubsetTrainingSampler: subset_ratio must be in (0, 1], got {subset_ratio}")
        self.subset_ratio = subset_ratio
        self._size_subset = int(size * subset_ratio)
        if self._size_subset == 0:
            raise ValueError(
                "RandomSubsetTrainingSampler: subset_ratio must select at least one sample, "
                f"got {subset_ratio} of {size} samples"
            )
        # A separate seed, because loading a state replaces the seed of the order.
        self.seed_subset = InfiniteSampler(1, seed=seed_subset).seed
        self._choose_subset()

    def _choose_subset(self) -> None:
        generator = torch.Generator().manual_seed(self.seed_subset % (1 << 63))
        self._subset = torch.randperm(self.size, generator=generator)[: self._size_subset]

    def epoch_length(self, epoch: int) -> int:
        """Return the size of the subset."""
        del epoch
        return self._size_subset

    def _choose(self, generator: torch.Generator) -> torch.Tensor:
        del generator
        return self._subset

    def state_dict(self, consumed: int = 0) -> dict[str, Any]:
        """Return the position and the seed of the subset."""
        return {**super().state_dict(consumed), "seed_subset": self.seed_subset}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a saved position with the saved subset."""
        super().load_state_dict(state)
        self.seed_subset = state["seed_subset"]
        self._choose_subset()


class RepeatFactorTrainingSampler(InfiniteSampler):
    """A `TrainingSampler` that repeats each sample within an epoch by its repeat factor.

    Fractional factors are rounded stochastically in each epoch: 2.3 becomes 3 with a probability of 0.3, otherwise 2.

    Args:
        repeat_factors: Shape (size,), float. If all factors are 1, the stream equals that of `TrainingSampler`.
        shuffle: Whether to shuffle each epoch.
        seed: The seed, equal in all processes; None draws a random seed that all processes share.
    """

    def __init__(self, repeat_factors: torch.Tensor, *, shuffle: bool = True, seed: int | None = None) -> None:
        factors = torch.as_tensor(repeat_factors, dtype=torch.float64)
        if factors.ndim != 1 or len(factors) == 0 or not bool((factors >= 0).all()) or not bool((factors > 0).any()):
            raise ValueError(
                "RepeatFactorTrainingSampler: repeat_factors must have shape (size,) and be >= 0, not all 0, "
                f"got shape {tuple(factors.shape)}"
            )
        super().__init__(len(factors), shuffle=shuffle, seed=seed)
        self._int_part = factors.floor()
        self._frac_part = factors - self._int_part

    def _repeats(self, generator: torch.Generator) -> torch.Tensor:
        chance = torch.rand(self.size, generator=generator, dtype=torch.float64)
        return (self._int_part + (chance < self._frac_part)).to(torch.int64)

    def epoch_length(self, epoch: int) -> int:
        """Return the number of indices in an epoch."""
        return int(self._repeats(self._generator(epoch)).sum())

    def _choose(self, generator: torch.Generator) -> torch.Tensor:
        return torch.repeat_interleave(torch.arange(self.size), self._repeats(generator))

    @staticmethod
    def repeat_factors_from_category_frequency(
        dataset_dicts: Iterable[DatasetRecord], repeat_thresh: float, sqrt: bool = True
    ) -> torch.Tensor:
        """Return the repeat factor of each image, which is that of its rarest category.

        The factor of a category that appears in a fraction `f` of the images is `max(1, sqrt(t / f))`.

        Args:
            dataset_dicts: Records with `annotations`.
            repeat_thresh: The threshold `t`; categories with a larger `f` are not repeated.
            sqrt: Whether to take the square root.

        Returns:
            Float32, shape (number of images,); 1 for images without annotations.

        Source: Gupta, Dollár and Girshick 2019, "LVIS: A Dataset for Large Vocabulary Instance Segmentation", appendix
        B.2.
        """
        categories = [{annotation["category_id"] for annotation in record["annotations"]} for record in dataset_dicts]
        counts = Counter(category for in_image in categories for category in in_image)
        factor = {}
        for category, count in counts.items():
            ratio = repeat_thresh / (count / len(categories))
            factor[category] = max(1.0, math.sqrt(ratio) if sqrt else ratio)
        return torch.tensor([max((factor[c] for c in in_image), default=1.0) for in_image in categories])


class WeightedTrainingSampler(InfiniteSampler):
    """Sampling with replacement, with probabilities proportional to weights.

    Args:
        weights: Shape (size,), >= 0 and not all 0.
        seed: The seed, equal in all processes; None draws a random seed that all processes share.
    """

    def __init__(self, weights: Sequence[float] | torch.Tensor, *, seed: int | None = None) -> None:
        self.weights = torch.as_tensor(weights, dtype=torch.float64)
        if self.weights.ndim != 1 or not bool((self.weights >= 0).all()) or not bool((self.weights > 0).any()):
            raise ValueError(
                f"{type(self).__name__}: weights must have shape (size,) and be >= 0, not all 0, "
                f"got shape {tuple(self.weights.shape)}"
            )
        super().__init__(len(self.weights), shuffle=False, seed=seed)

    def epoch_length(self, epoch: int) -> int:
        """Return the size of the dataset."""
        del epoch
        return self.size

    def _choose(self, generator: torch.Generator) -> torch.Tensor:
        # Inverse transform sampling; unlike torch.multinomial it is not limited to 2^24 samples.
        total = self.weights.cumsum(0)
        drawn = torch.rand(self.size, generator=generator, dtype=torch.float64) * total[-1]
        last = int(self.weights.nonzero()[-1])
        return torch.searchsorted(total, drawn, right=True).clamp(max=last)


class DatasetMixingSampler(WeightedTrainingSampler):
    """Mix concatenated datasets in fixed ratios, independent of their sizes.

    Args:
        sizes: The number of samples in each dataset, in the order of concatenation.
        ratios: One number >= 0 per dataset; samples are drawn from the datasets in proportion to these.
        seed: The seed, equal in all processes; None draws a random seed that all processes share.
    """

    def __init__(self, sizes: Sequence[int], ratios: Sequence[float], *, seed: int | None = None) -> None:
        if len(sizes) != len(ratios) or any(size <= 0 for size in sizes):
            raise ValueError(
                f"DatasetMixingSampler: sizes must be positive and as many as ratios, got {sizes} and {ratios}"
            )
        weights = [torch.full((size,), ratio / size) for size, ratio in zip(sizes, ratios, strict=True)]
        super().__init__(torch.cat(weights), seed=seed)
        self.sizes, self.ratios = tuple(sizes), tuple(ratios)
