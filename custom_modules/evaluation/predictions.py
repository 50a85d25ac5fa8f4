"""From a config and a checkpoint to predictions."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.dataset import Compose
from torch.utils.data import DataLoader, Dataset

from custom_modules.engine.weights import configured_classes
from custom_modules.evaluation.confusion import ConfusionScores
from custom_modules.utils.errors import UsageError
from custom_modules.utils.images import read_image
from custom_modules.utils.tables import progress


@dataclass(frozen=True)
class Prediction:
    """What a segmentor says of one image, beside the truth; all of one size (H, W).

    Args:
        img_path (str): The image's file.
        truth (np.ndarray): True class indices, uint8; 255 has no class.
        predicted (np.ndarray): Predicted class indices, uint8.
        probabilities (np.ndarray): Probability of each class (classes, H, W), float32.
    """

    img_path: str
    truth: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray

    @property
    def name(self) -> str:
        """The image's file name without its suffix."""
        return Path(self.img_path).stem

    @property
    def image(self) -> np.ndarray:
        """The image (H, W, 3), RGB, read again and brought to the size of the truth."""
        read = read_image(self.img_path)
        size = self.truth.shape[::-1]
        if read.shape[1::-1] != size:
            shrinks = read.shape[0] > self.truth.shape[0]
            how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            read = cv2.resize(read, size, interpolation=how)
        return read

    @property
    def scores(self) -> ConfusionScores:
        """The image's own scores."""
        return ConfusionScores.from_masks(self.truth, self.predicted, len(self.probabilities))


class NoPairs(Dataset):
    """A data set's classes, pipeline and size without a single pair, for image files that are in no data set.

    Args:
        cfg (dict): The data set's config; its folders need not exist.

    Attributes:
        metainfo (dict): ``classes`` and ``palette``.
        pipeline (Compose): As of the data set.
    """

    def __init__(self, cfg: dict) -> None:
        self.metainfo = configured_classes(cfg, 'mmseg')
        self.pipeline = Compose(cfg['pipeline'])
        self.load_size = cfg.get('load_size')

    def __len__(self) -> int:
        return 0

    def get_data_info(self, index: int) -> dict:
        """What any image of the data set would have.

        Args:
            index (int): Not used.

        Returns:
            dict: ``load_size``, (width, height) or None.
        """
        return dict(load_size=self.load_size)


class CheckpointPredictions:
    """The predictions of a segmentor's checkpoint on a part of its config's data, image by image.

    Data and model are built, and the checkpoint is compared with the model, at once; the images are predicted as they
    are asked for, so a large set needs no large memory.

    Args:
        cfg (mmengine.Config): A segmentor's config.
        checkpoint (str): Its weights.
        part (str): ``'test'`` (default), ``'val'`` or ``'train'``: which data loader. The training part is loaded as the
            test part is: in order, without augmentation.
        with_data (bool): False builds no data set, for image files alone (:class:`NoPairs`). Defaults to True.

    Attributes:
        model (nn.Module): The model, in eval mode, on the fastest device there is.
        classes (tuple[str]): Names of the classes, the background first.
        palette (list): RGB of each class.
        threshold (float | None): Above which probability class 1 is predicted; None for several channels.

    Raises:
        UsageError: If the config is no segmentor's, the data has a defect, or the checkpoint does not fit.
    """

    def __init__(self, cfg, checkpoint: str, part: str = 'test', with_data: bool = True) -> None:
        from mmengine.dataset import pseudo_collate
        from mmengine.device import get_device
        from mmengine.registry import init_default_scope
        from mmengine.runner import Runner

        from custom_modules.engine.config import without_cache
        from custom_modules.engine.weights import load_model

        if cfg.get('default_scope') != 'mmseg':
            raise UsageError(
                "this is no segmentor's config, and only masks can be compared: choose one with "
                "default_scope='mmseg', such as configs/unet_baseline.py."
            )
        init_default_scope(cfg.default_scope)
        loader = cfg.get(f'{part}_dataloader')
        if not loader:
            raise UsageError(f'the config has no {part}_dataloader: choose another part.')
        if 'pipeline' not in loader.dataset:
            raise UsageError(
                f'the {part} data set is a {loader.dataset.type}, a set of data sets: choose one of them with '
                f'--cfg-options {part}_dataloader.dataset=..., or a config whose {part} set is a single one.'
            )
        if part == 'train':
            # no augmentation, no shuffling
            test = cfg.test_dataloader
            loader = dict(test, dataset=dict(loader.dataset, pipeline=test.dataset.pipeline))
        if with_data:
            self.loader = Runner.build_dataloader(without_cache(loader))
        else:
            self.loader = DataLoader(NoPairs(loader['dataset']), collate_fn=pseudo_collate)
        model = load_model(cfg, checkpoint)
        self.model = model.to(get_device(), memory_format=torch.channels_last)
        self.classes = tuple(self.loader.dataset.metainfo['classes'])
        self.palette = [list(colour) for colour in self.loader.dataset.metainfo['palette']]
        head = model.decode_head
        self.threshold = head.threshold if head.out_channels == 1 else None

    def __len__(self) -> int:
        return len(self.loader.dataset)

    def __iter__(self) -> Iterator[Prediction]:
        return iter(progress(self._predict(), 'Predicting', len(self)))

    def _predict(self) -> Iterator[Prediction]:
        for batch in self.loader:
            with torch.inference_mode():
                samples = self.model.test_step(batch)
            yield from map(self._prediction, samples)

    def _prediction(self, sample) -> Prediction:
        raw = sample.seg_logits.data.float()
        # mmseg hands over the probability itself where there is one channel
        probabilities = torch.cat([1 - raw, raw]) if len(raw) == 1 else raw.softmax(dim=0)
        return Prediction(
            img_path=sample.img_path,
            truth=sample.gt_sem_seg.data[0].cpu().numpy().astype(np.uint8),
            predicted=sample.pred_sem_seg.data[0].cpu().numpy().astype(np.uint8),
            probabilities=probabilities.cpu().numpy(),
        )
