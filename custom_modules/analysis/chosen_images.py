from collections.abc import Sequence
from pathlib import Path

import torch
from mmcv.transforms import LoadAnnotations
from mmengine.dataset import Compose
from mmengine.structures import PixelData
from torch.utils.data import Dataset

from custom_modules.datasets.index_masks import IGNORED


class ChosenImages(Dataset):
    """Images of a data set, and files that are in none: those get a truth without any class.

    Args:
        dataset (BaseSegDataset): A data set of mmseg's kind, with the pipeline of a test.
        chosen (Sequence[int | str | Path]): Indices in the data set, and image files.
    """

    def __init__(self, dataset, chosen: Sequence[int | str | Path]) -> None:
        self.dataset, self.chosen = dataset, list(chosen)
        self.metainfo = dataset.metainfo
        steps = dataset.pipeline.transforms
        self.unlabelled = Compose([step for step in steps if not isinstance(step, LoadAnnotations)])

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: int) -> dict:
        chosen = self.chosen[index]
        if isinstance(chosen, int):
            return self.dataset[chosen]
        size = self.dataset.get_data_info(0).get('load_size')
        given = dict(img_path=str(chosen), seg_fields=[], reduce_zero_label=False, load_size=size)
        packed = self.unlabelled(given)
        sample = packed['data_samples']
        truth = torch.full((1, *sample.ori_shape[:2]), IGNORED, dtype=torch.uint8)
        sample.gt_sem_seg = PixelData(data=truth)
        return packed


def image_paths(dataset) -> list[str]:
    """List the files of a data set's images, in its order.

    Args:
        dataset (BaseSegDataset): A data set of mmseg's kind.
    """
    return [dataset.get_data_info(index)['img_path'] for index in range(len(dataset))]
