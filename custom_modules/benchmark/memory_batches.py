from collections.abc import Iterator

import torch
from torch import Tensor


class MemoryBatches:
    """Batches of tensors that lie in memory; each iteration is an epoch.

    Args:
        data (tuple[Tensor, Tensor]): Of :func:`tensors_in_memory`.
        batch (int): Batch size.
        shuffle (bool): Whether to draw another order for each epoch.
        drop_last (bool): Whether to leave a ragged last batch out. Defaults to False.
    """

    def __init__(
        self, data: tuple[Tensor, Tensor], batch: int, shuffle: bool, drop_last: bool = False
    ) -> None:
        self.data, self.batch = data, batch
        self.shuffle, self.drop_last = shuffle, drop_last

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Give images (N, 3, H, W), channels-last, and labels."""
        images, labels = self.data
        order = torch.randperm(len(images)) if self.shuffle else torch.arange(len(images))
        for rows in order.to(images.device).split(self.batch):
            if self.drop_last and len(rows) < self.batch:
                return
            yield images[rows].permute(0, 3, 1, 2), labels[rows]
