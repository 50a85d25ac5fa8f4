from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset


class PngPairs(Dataset):
    """Pairs of files as a user of plain PyTorch reads them: decoded by OpenCV each time they are asked for.

    Args:
        pairs (Sequence[tuple[str, str]]): Image and mask.
        size (tuple[int, int]): Width and height to resize to.
        label_map (dict[int, int]): Class index of the mask values that are none.
        mean (Sequence[float]): Mean of each colour (RGB, 0..255).
        std (Sequence[float]): Their standard deviations.
        flip (bool): Whether to flip every second pair.
    """

    def __init__(
        self,
        pairs: Sequence[tuple[str, str]],
        size: tuple[int, int],
        label_map: dict[int, int],
        mean: Sequence[float],
        std: Sequence[float],
        flip: bool,
    ) -> None:
        self.pairs = list(pairs)
        self.size = size
        self.label_map = label_map
        self.mean = np.array(mean, np.float32)
        self.std = np.array(std, np.float32)
        self.flip = flip

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return an image (3, H, W) of floats and its labels (H, W)."""
        image_path, mask_path = self.pairs[index]
        image = cv2.cvtColor(cv2.imread(image_path), cv2.COLOR_BGR2RGB)
        image = cv2.resize(image, self.size)
        mask = cv2.imread(mask_path, cv2.IMREAD_UNCHANGED)
        mask = cv2.resize(mask, self.size, interpolation=cv2.INTER_NEAREST)
        label = mask.astype(np.int64)
        for value, index_of_class in self.label_map.items():
            label[mask == value] = index_of_class
        if self.flip and np.random.rand() < 0.5:
            image, label = image[:, ::-1], label[:, ::-1]
        image = (image.astype(np.float32) - self.mean) / self.std
        image = np.ascontiguousarray(image.transpose(2, 0, 1))
        return torch.from_numpy(image), torch.from_numpy(np.ascontiguousarray(label))
