"""mmpretrain's data preprocessor and classifier for whole batches, without a Python object per sample."""

import numpy as np
import torch
import torch.nn.functional as F
from mmpretrain.models import ClsDataPreprocessor, ImageClassifier
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor

from custom_modules.datasets.samples import restored_generators
from custom_modules.models.batch_augmentations import AugmentsBatches
from custom_modules.utils.errors import UsageError


@MODELS.register_module()
class BatchAugClsPreProcessor(AugmentsBatches, ClsDataPreprocessor):
    """mmpretrain's ``ClsDataPreprocessor``, which in training also augments the whole batch on its device.

    It takes batches of ``DecodeOnce`` and lists of samples, and in training returns the former, with ``gt_score`` (N, classes) if
    ``to_onehot`` or ``batch_augments`` are set. Augmentation comes before normalisation, at grey values of 0 to 255, RGB with
    ``to_rgb``. mmpretrain's own ``batch_augments`` (``Mixup``, ...) come last, seeded by the same seed and step.

    Args:
        augments (Sequence[dict]): Batch augmentations in their order (``BatchRandomResizedCrop``, ...). Defaults to none.
        **kwargs: Those of ``ClsDataPreprocessor``; a ``BatchClassifier`` sets ``num_classes`` from its head.
    """

    def forward(self, data: dict, training: bool = False) -> dict:
        """Augment (in training) and normalise ``inputs``: ``uint8`` images (N, C, H, W), or a list of (C, H, W)."""
        samples, images = data.get('data_samples'), data['inputs']
        whole = isinstance(samples, DataSample)
        if not (training or whole):
            return super().forward(data, training)
        if not whole and any('gt_score' in sample for sample in samples):
            raise UsageError('BatchAugClsPreProcessor trains on one label an image, not on gt_score: use ClsDataPreprocessor.')
        labels = samples.gt_label if whole else torch.cat([sample.gt_label for sample in samples])
        batch = DataSample(gt_label=labels.to(self.device, non_blocking=True))
        images = images.to(self.device, non_blocking=True) if isinstance(images, Tensor) else self._stack(images)[0]
        random = self._step_random(len(images)) if training else None
        images, _ = self._prepare(images, None, random, self.to_rgb)
        if (divisor := self.pad_size_divisor) > 1:
            height, width = images.shape[-2:]
            images = F.pad(images, (0, -width % divisor, 0, -height % divisor), value=self.pad_value)
        if training and self.to_onehot:
            scores = images.new_zeros(len(images), self.num_classes)
            scores.scatter_(1, batch.gt_label[:, None], 1.0)
            if self.batch_augments:
                # mmpretrain's mixing draws from the global generators
                with restored_generators():
                    seeds = np.random.SeedSequence((random.seed, random.step)).generate_state(2)
                    np.random.seed(seeds[0])
                    torch.default_generator.manual_seed(int(seeds[1]))
                    images, scores = self.batch_augments(images, scores)
            batch.set_field(scores, 'gt_score', dtype=Tensor)
        return dict(inputs=images, data_samples=batch)


@MODELS.register_module()
class BatchClassifier(ImageClassifier):
    """mmpretrain's ``ImageClassifier``, which also takes the samples of a batch as one ``DataSample``.

    That has ``gt_label`` (N,), and ``gt_score`` (N, classes) for mixed or smoothed labels; its prediction is one ``DataSample``
    with ``pred_score`` (N, classes) and ``pred_label`` (N, 1). Sets ``num_classes`` of a data preprocessor that has none.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if getattr(self.data_preprocessor, 'num_classes', 0) is None:
            self.data_preprocessor.num_classes = self.head.num_classes

    def loss(self, inputs: Tensor, data_samples: DataSample | list) -> dict:
        """Compute the losses of images (N, C, H, W) and their labels."""
        if not isinstance(data_samples, DataSample):
            return super().loss(inputs, data_samples)
        logits = self.head(self.extract_feat(inputs))
        target = data_samples.get('gt_score', data_samples.gt_label)
        return dict(loss=self.head.loss_module(logits, target, avg_factor=len(logits)))

    def predict(self, inputs: Tensor, data_samples: DataSample | list | None = None, **kwargs):
        """Predict images (N, C, H, W): one ``DataSample`` per image, or the given one with all predictions."""
        if not isinstance(data_samples, DataSample):
            return super().predict(inputs, data_samples, **kwargs)
        scores = self.head(self.extract_feat(inputs)).softmax(dim=1)
        data_samples.set_field(scores, 'pred_score', dtype=Tensor)
        data_samples.set_field(scores.argmax(dim=1, keepdim=True), 'pred_label', dtype=Tensor)
        return [data_samples]
