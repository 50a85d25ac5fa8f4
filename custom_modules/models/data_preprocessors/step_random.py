import numpy as np


class StepRandom:
    """The random numbers of one training step: a function of seed, step and a sample's place in the batch.

    They do not depend on how often the run was interrupted, nor on how many processes share the batch: sample ``i`` of
    process ``r`` of ``n`` has place ``i * n + r``, which is the place mmengine's ``DefaultSampler`` gives it in the
    batch of a single process. They are drawn on the host, so that a GPU is never waited for and draws the same as a CPU.

    Args:
        seed (int): The run's seed.
        step (int): The iteration.
        places (Sequence[int]): The wanted samples' places in the batch of all processes.
        total (int): The size of that batch.

    Example:
        >>> whole = StepRandom(seed=0, step=7, places=[0, 1, 2, 3], total=4).uniform(0, 1)
        >>> second = StepRandom(seed=0, step=7, places=[1, 3], total=4).uniform(0, 1)
        >>> bool((second == whole[1::2]).all())
        True
    """

    def __init__(self, seed: int, step: int, places, total: int) -> None:
        self.places = np.asarray(places)
        self.total = total
        self.generator = np.random.default_rng((seed, step))

    def __len__(self) -> int:
        return len(self.places)

    def uniform(self, low: float, high: float) -> np.ndarray:
        """Draw evenly from a range, one number per sample.

        Args:
            low (float): Least number.
            high (float): Greatest number.

        Returns:
            np.ndarray: Float64, (N,).
        """
        return self.generator.uniform(low, high, self.total)[self.places]

    def integers(self, end: int) -> np.ndarray:
        """Draw a whole number per sample.

        Args:
            end (int): They are from 0 to below this.

        Returns:
            np.ndarray: Int64, (N,).
        """
        return self.generator.integers(end, size=self.total)[self.places]
