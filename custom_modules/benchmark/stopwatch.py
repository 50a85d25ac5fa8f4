import time
from statistics import median

import torch

PARTS = ('data', 'prepare', 'forward', 'backward', 'step', 'other')


class Stopwatch:
    """Splits each training iteration into its parts, which add up to the whole.

    Each :meth:`mark` gives the time since the mark before to one part:

    - ``data``: waiting for the batch;
    - ``prepare``: what is done to the batch in the main process (normalisation, stacking, batch augmentation);
    - ``forward``: network and losses, with reading what is logged;
    - ``backward``;
    - ``step``: clipping, the optimizer's step and zeroing the gradients;
    - ``other``: hooks, logging and the rest.

    A GPU works behind the program's back, so there each mark waits for it. That slows the iteration down, so a GPU's
    parts are taken in an epoch of their own, whose time does not count.

    Args:
        device (str or torch.device): Where the model is.
    """

    def __init__(self, device: str | torch.device = 'cpu') -> None:
        self.cuda = torch.device(device).type == 'cuda'
        self.running = False
        self.images = 0
        self.iterations: list[dict[str, float]] = []

    def begin(self, split: bool) -> None:
        """Begin an epoch.

        Args:
            split (bool): Whether it is an epoch for the parts only; a CPU's are taken in every epoch.
        """
        self.running = split or not self.cuda
        self.images = 0
        self.iterations = []
        self._begin_iteration()

    def mark(self, part: str) -> None:
        """Give the time since the last mark to a part.

        Args:
            part (str): One of ``PARTS``.
        """
        if self.running:
            now = self._now()
            self._parts[part] += now - self._last
            self._last = now

    def end_iteration(self, images: int) -> None:
        """End an iteration.

        Args:
            images (int): Images in its batch.
        """
        self.images += images
        if self.running:
            self.mark('other')
            # by its own two readings, so that a part that is lost shows
            self.iterations.append(self._parts | {'iteration': self._last - self._first})
            self._begin_iteration(self._last)

    def end(self) -> None:
        """End an epoch of training; marks during validation do not count."""
        self.running = False

    def summary(self) -> dict:
        """Return milliseconds per iteration: the mean of each part, and mean and median of the whole."""
        if not self.iterations:
            return dict(split_ms=None, iteration_ms=None, data_share=None)
        count = len(self.iterations)
        split = {p: 1000 * sum(i[p] for i in self.iterations) / count for p in PARTS}
        whole = [1000 * i['iteration'] for i in self.iterations]
        mean = sum(whole) / count
        return dict(
            split_ms=split,
            iteration_ms=dict(mean=mean, median=median(whole)),
            data_share=split['data'] / mean,
        )

    def _begin_iteration(self, now: float | None = None) -> None:
        self._parts = dict.fromkeys(PARTS, 0.0)
        self._first = self._last = self._now() if now is None else now

    def _now(self) -> float:
        if self.cuda and self.running:
            torch.cuda.synchronize()
        return time.perf_counter()
