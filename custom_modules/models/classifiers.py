"""Classifiers that compute whole batches: mmpretrain's, without a Python object for each sample."""

from contextlib import contextmanager

import numpy as np
import torch
from mmpretrain.models import ClsDataPreprocessor, ImageClassifier
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor

from custom_modules.models.batch_augmentations import AugmentsBatches


@MODELS.register_module()
class BatchAugClsPreProcessor(AugmentsBatches, ClsDataPreprocessor):
    """mmpretrain's ``ClsDataPreprocessor`` that augments the whole batch on its device, in training only.

    It takes batches of ``DecodeOnce`` and lists of samples. In training it always gives the former, with ``gt_score`` (N,
    classes) where ``to_onehot`` or ``batch_augments`` ask for it. Augmentation comes before normalisation, so grey values are 0
    to 255, in the order red, green, blue with ``to_rgb``. mmpretrain's own ``batch_augments`` (``Mixup``, ...) come last, by
    the same seed and step.

    Args:
        augments (Sequence[dict]): Batch augmentations in their order (``BatchRandomResizedCrop``, ...). Defaults to none.
        **kwargs: Those of ``ClsDataPreprocessor``; ``num_classes``, which ``to_onehot`` and ``batch_augments`` need, comes
            from the head of a ``BatchClassifier``.
    """

    def forward(self, data: dict, training: bool = False) -> dict:
        """Normalise a batch, in training augmented first.

        Args:
            data (dict): ``inputs``, ``uint8`` images (N, C, H, W) or a list of (C, H, W), and their ``data_samples``.
            training (bool): Whether to augment. Defaults to False.
        """
        samples = data.get('data_samples')
        if not training and not isinstance(samples, DataSample):
            return super().forward(data, training)
        images, labels = data['inputs'], getattr(samples, 'gt_label', None)
        if not isinstance(samples, DataSample):
            labels = torch.cat([sample.gt_label for sample in samples])
        if not isinstance(images, Tensor):
            images = self._stack(images)
        batch = DataSample(gt_label=labels.to(self.device, non_blocking=True))
        images = images.to(self.device, non_blocking=True)
        seed, step = self._seed_and_step() if training else (0, 0)
        random = self._random(seed, step, len(images)) if training else None
        images, _ = self._prepare(images, None, random, self.to_rgb)
        if training and self.to_onehot:
            scores = images.new_zeros(len(images), self.num_classes)
            scores.scatter_(1, batch.gt_label[:, None], 1.0)
            if self.batch_augments:
                with _seeded(seed, step):
                    images, scores = self.batch_augments(images, scores)
            batch.set_field(scores, 'gt_score', dtype=Tensor)
        return dict(inputs=images, data_samples=batch)


@contextmanager
def _seeded(seed: int, step: int):
    """Let mmpretrain's mixing, which draws from the global generators, draw what belongs to the step."""
    state = np.random.get_state()
    own = np.random.SeedSequence((seed, step)).generate_state(2)
    # the generators on devices are not drawn from, and reading their state would wait
    with torch.random.fork_rng(devices=[]):
        np.random.seed(own[0])
        torch.random.default_generator.manual_seed(int(own[1]))
        try:
            yield
        finally:
            np.random.set_state(state)


@MODELS.register_module()
class BatchClassifier(ImageClassifier):
    """mmpretrain's ``ImageClassifier`` that also takes the samples of a batch as one ``DataSample``.

    Its ``gt_label`` is (N,), and its ``gt_score`` (N, classes) where labels are mixed or smoothed. A prediction then is one
    ``DataSample`` with ``pred_score`` (N, classes) and ``pred_label`` (N, 1). A list of samples goes mmpretrain's way. A data
    preprocessor without ``num_classes`` learns it from the head.
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
        """Predict images (N, C, H, W): one ``DataSample`` for each, or the given one with all predictions."""
        if not isinstance(data_samples, DataSample):
            return super().predict(inputs, data_samples, **kwargs)
        scores = self.head(self.extract_feat(inputs)).softmax(dim=1)
        data_samples.set_field(scores, 'pred_score', dtype=Tensor)
        data_samples.set_field(scores.argmax(dim=1, keepdim=True), 'pred_label', dtype=Tensor)
        return [data_samples]
