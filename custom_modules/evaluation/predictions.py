"""Predictions of a config with a checkpoint, or of an exported file."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.device import get_device
from mmengine.model import BaseModel
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement, PixelData
from torch import Tensor

from custom_modules.engine.config import without_cache
from custom_modules.engine.weights import load_model
from custom_modules.evaluation.confusion import ConfusionScores
from custom_modules.evaluation.exported import OnnxModel
from custom_modules.utils.errors import UsageError
from custom_modules.utils.images import read_image
from custom_modules.utils.tables import progress


@dataclass(frozen=True)
class Prediction:
    """A segmentor's prediction of an image, beside the truth."""

    img_path: str
    truth: np.ndarray  # class indices (H, W), uint8; 255 is ignored
    predicted: np.ndarray  # class indices (H, W), uint8
    probabilities: np.ndarray  # of the classes (classes, H, W), float32

    @property
    def name(self) -> str:
        """The image's file name without its suffix."""
        return Path(self.img_path).stem

    @property
    def image(self) -> np.ndarray:
        """The image (H, W, 3), RGB, uint8, read from its file and resized to the size of the truth."""
        image = read_image(self.img_path)
        if image.shape[:2] == self.truth.shape:
            return image
        interpolation = cv2.INTER_AREA if image.shape[0] > self.truth.shape[0] else cv2.INTER_LINEAR
        return cv2.resize(image, self.truth.shape[::-1], interpolation=interpolation)

    @property
    def scores(self) -> ConfusionScores:
        """The image's own scores."""
        return ConfusionScores.from_masks(self.truth, self.predicted, len(self.probabilities))


def image_paths(dataset) -> list[str]:
    """List the image files of a data set, in its order."""
    return [dataset.get_data_info(index)['img_path'] for index in range(len(dataset))]


class CheckpointPredictions:
    """The predictions of a segmentor's checkpoint on a part of its config's data, computed as one iterates over them.

    Args:
        cfg (mmengine.Config): A segmentor's config.
        checkpoint (str): Its weights.
        part (str): ``'test'`` (default), ``'val'`` or ``'train'``, which is loaded as the test part is: in order, unaugmented.

    Attributes:
        model (nn.Module): The model, in eval mode, on mmengine's device.
        classes, palette: Names and RGB of the classes, the background first.
        threshold (float | None): Probability above which class 1 is predicted; None for several channels.

    Raises:
        UsageError: If the config is no segmentor's, the data has a defect, or the checkpoint does not fit.
    """

    def __init__(self, cfg, checkpoint: str, part: str = 'test') -> None:
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
                f'the {part} data set is a {loader.dataset.type}, a set of data sets: choose a config whose {part} set is a single one.'
            )
        if part == 'train':
            test = cfg.test_dataloader
            loader = dict(test, dataset=dict(loader.dataset, pipeline=test.dataset.pipeline))
        self.loader = Runner.build_dataloader(without_cache(loader))
        model = load_model(cfg, checkpoint)
        self.model = model.to(get_device(), memory_format=torch.channels_last)
        self.classes = tuple(self.loader.dataset.metainfo['classes'])
        self.palette = [list(colour) for colour in self.loader.dataset.metainfo['palette']]
        self.threshold = model.decode_head.threshold if model.out_channels == 1 else None

    def __len__(self) -> int:
        return len(self.loader.dataset)

    def __iter__(self) -> Iterator[Prediction]:
        return iter(progress(self._predict(), 'Predicting', len(self)))

    def _predict(self) -> Iterator[Prediction]:
        for batch in self.loader:
            with torch.inference_mode():
                samples = self.model.test_step(batch)
            for sample in samples:
                logits = sample.seg_logits.data.float()
                # with one channel mmseg returns its sigmoid
                probabilities = torch.cat([1 - logits, logits]) if len(logits) == 1 else logits.softmax(dim=0)
                truth, predicted = (m.data[0].cpu().numpy().astype(np.uint8) for m in (sample.gt_sem_seg, sample.pred_sem_seg))
                yield Prediction(sample.img_path, truth, predicted, probabilities.cpu().numpy())


@MODELS.register_module()
class ExportedModel(BaseModel):
    """A file of ``tools/export.py`` as a config's model, so that the config's pipeline and metrics score it.

    Raises a UsageError if the file cannot be used, or the images are scored at another size than its input's.
    """

    def __init__(self, file: str | Path) -> None:
        super().__init__()
        self.exported = OnnxModel(file)

    def forward(self, inputs: Tensor, data_samples=None, mode: str = 'tensor') -> Tensor:
        """Compute probabilities (N, K, H, W), of a classifier (N, K), of BGR images (N, 3, H, W), uint8."""
        return torch.from_numpy(self.exported(inputs.permute(0, 2, 3, 1).flip(-1).cpu().numpy()))

    def test_step(self, data: dict) -> list[BaseDataElement]:
        """Add the predictions, as the library's metrics expect them, to a batch's samples, or to ``BatchClassifier``'s one."""
        inputs, samples = data['inputs'], data['data_samples']
        found = self(inputs if torch.is_tensor(inputs) else torch.stack(list(inputs)))
        labels = torch.from_numpy(self.exported.card.labels(found.numpy())).long()
        if self.exported.card.task == 'classification':
            if isinstance(samples, BaseDataElement):
                samples.set_field(found, 'pred_score', dtype=Tensor)
                samples.set_field(labels[:, None], 'pred_label', dtype=Tensor)
                return [samples]
            for sample, score, label in zip(samples, found, labels[:, None], strict=True):
                sample.set_pred_score(score).set_pred_label(label)
            return list(samples)
        for sample, probability, label in zip(samples, found, labels, strict=True):
            if tuple(sample.ori_shape) != tuple(label.shape):
                raise UsageError('an exported file has its own size: set load_size in test_dataloader.dataset.')
            sample.seg_logits = PixelData(data=probability)
            sample.pred_sem_seg = PixelData(data=label[None])
        return list(samples)
