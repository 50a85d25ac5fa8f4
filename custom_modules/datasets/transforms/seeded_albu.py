import os

import numpy as np
from mmseg.datasets.transforms import Albu
from mmseg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class SeededAlbu(Albu):
    """mmseg's ``Albu`` that obeys the run's seed, and draws differently in each worker.

    albumentations 2 has a random generator of its own, made from the system's entropy before the workers are: all
    of them draw the same, and another run draws otherwise. Here it is seeded once per process from numpy's state,
    which mmengine seeds for each worker.

    Args:
        **kwargs: ``transforms``, ``keymap``, ... of mmseg's ``Albu``.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self._seeded_in = None

    def transform(self, results: dict) -> dict:
        """Transform a sample.

        Args:
            results (dict): The sample.

        Returns:
            dict: The transformed sample.
        """
        if self._seeded_in != os.getpid():
            self.aug.set_random_seed(int(np.random.randint(2**31)))
            self._seeded_in = os.getpid()
        return super().transform(results)
