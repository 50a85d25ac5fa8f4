"""mmseg models: segmentors, test-time augmentation, and a ResNet that also returns its stem."""

import math
from collections import defaultdict
from itertools import groupby

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce_dict
from mmengine.structures import BaseDataElement, PixelData
from mmseg.models import EncoderDecoder, SegTTAModel
from mmseg.models.backbones import ResNet
from mmseg.registry import MODELS
from mmseg.utils import add_prefix
from torch import Tensor, nn

from custom_modules.models.safe_loading import pretrained_checkpoints, require_all_tensors


def batches_of_one_size(data: dict) -> list[dict]:
    """Split a batch, ``inputs`` (C, H, W) and optionally ``data_samples``, into runs of images of one size, in order."""
    sizes = [tuple(image.shape) for image in data['inputs']]
    if len(set(sizes)) == 1:
        return [data]
    runs = [list(run) for _, run in groupby(range(len(sizes)), key=sizes.__getitem__)]
    return [{key: [values[i] for i in run] for key, values in data.items() if values is not None} for run in runs]


@MODELS.register_module()
class ValLossSegmentor(EncoderDecoder):
    """An ``EncoderDecoder`` that also reports its validation loss, from the logits of the prediction.

    ``val_loss`` and its parts ``val_loss_...`` appear among the scores: the decode head's mean over all images with a labelled
    pixel, whatever the batch size; several processes may count one twice. Only with ``test_cfg=dict(mode='whole')``.
    """

    def val_step(self, data: dict) -> list:
        """Predict a validation batch, whose images may differ in size: samples, and a ``BaseDataElement`` with each image's losses."""
        if self.test_cfg.mode != 'whole':
            return self.test_step(data)
        predictions, losses = [], defaultdict(list)
        for part in batches_of_one_size(data):
            self._predict_with_loss(part, predictions, losses)
        labelled = [bool((s.gt_sem_seg.data != self.decode_head.ignore_index).any()) for s in data['data_samples']]
        counted = next(iter(losses.values()))[0].new_tensor(labelled)
        sums = {name: torch.stack(v).where(counted > 0, 0) for name, v in losses.items()}
        sums['images'] = counted
        # mmengine averages the losses of one process alone: processes would stop at different epochs. So entry i of each sum is over
        # the i-th images of all processes, images[i] of which have a labelled pixel
        all_reduce_dict(sums, 'sum')
        # one tensor, since each transfer waits for the device
        *table, images = torch.stack(list(sums.values())).cpu()
        # the mean loss of these images, once for each of them
        means = [(row / images).repeat_interleave(images.int()) for row in table]
        losses = {name: list(row) for name, row in zip(losses, means, strict=True)}
        return [*predictions, BaseDataElement(loss=losses)]

    def test_step(self, data: dict) -> list:
        """Predict a batch, whose images may differ in size."""
        predict = super().test_step
        return [sample for part in batches_of_one_size(data) for sample in predict(part)]

    def _predict_with_loss(self, data: dict, predictions: list, losses: dict[str, list]) -> None:
        data = self.data_preprocessor(data, False)
        samples = data['data_samples']
        logits = self.decode_head(self.extract_feat(data['inputs']))
        # image by image, since the Dice of a batch is not the mean of the images' Dice
        for i, sample in enumerate(samples):
            unpadded = logits[i : i + 1]
            left, right, top, bottom = sample.metainfo.get('img_padding_size', (0, 0, 0, 0))
            if any((left, right, top, bottom)):
                height, width = size = data['inputs'].shape[2:]
                unpadded = F.interpolate(unpadded, size=size, mode='bilinear', align_corners=self.align_corners)
                unpadded = unpadded[..., top : height - bottom, left : width - right]
            for name, value in self.decode_head.loss_by_feat(unpadded, [sample]).items():
                if 'loss' in name:
                    losses[f'val_{name}'].append(value)
        predicted = self.decode_head.predict_by_feat(logits, [sample.metainfo for sample in samples])
        predictions.extend(self.postprocess_result(predicted, samples))


@MODELS.register_module()
class UNetSegmentor(ValLossSegmentor):
    """A :class:`ValLossSegmentor` whose decode head's ``in_channels`` default to the backbone's ``out_channels`` if there is no neck.

    Example:
        >>> import torch
        >>> from mmengine.registry import MODELS, init_default_scope
        >>> import custom_modules.segmentation
        >>> init_default_scope('mmseg')
        >>> unet = MODELS.build(dict(type='UNetSegmentor', backbone=dict(type='MoonNet'), decode_head=dict(type='UNetHead')))
        >>> tuple(unet(torch.rand(2, 3, 96, 128)).shape)
        (2, 1, 96, 128)
    """

    def _init_decode_head(self, decode_head: dict) -> None:
        if 'in_channels' not in decode_head and not self.with_neck:
            channels = self.backbone.out_channels
            decode_head = dict(decode_head, in_channels=[channels[i] for i in decode_head.get('in_index', range(len(channels)))])
        super()._init_decode_head(decode_head)


def imitation_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Compute the cross entropy of logits (N, C, h, w) with a teacher's logits (N, C, H, W): of sigmoids for one channel, else softmax."""
    logits, target = logits.float(), target.float()
    if target.shape[2:] != logits.shape[2:]:
        target = F.interpolate(target, size=logits.shape[2:], mode='bilinear', align_corners=False)
    if logits.shape[1] == 1:
        return F.binary_cross_entropy_with_logits(logits, target.sigmoid())
    return F.cross_entropy(logits, target.softmax(dim=1))


@MODELS.register_module()
class DistilledSegmentor(UNetSegmentor):
    """A ``UNetSegmentor`` that learns from a teacher's predictions as well as from the masks.

    `Distilling the Knowledge in a Neural Network <https://arxiv.org/abs/1503.02531>`_, on all pixels of the augmented batch, with a
    label or without, so that sparsely labelled photographs count as a whole. Checkpoints and averaged models do not hold the
    teacher.

    Args:
        teacher (dict | list[dict]): A segmentor with as many output channels, with ``init_cfg=dict(type='Pretrained',
            checkpoint=...)`` for all its weights, and with no other normalisation, else a ValueError. The logits of several are
            averaged.
        imitation_weight (float): Weight of the loss ``loss_imitation``. Defaults to 1.
        **kwargs: Of ``UNetSegmentor``.
    """

    def __init__(self, teacher: dict | list[dict], imitation_weight: float = 1.0, **kwargs) -> None:
        super().__init__(**kwargs)
        self._teacher_configs = [teacher] if isinstance(teacher, dict) else list(teacher)
        if not all((config.get('init_cfg') or {}).get('checkpoint') for config in self._teacher_configs):
            raise ValueError("A teacher needs weights: give it init_cfg=dict(type='Pretrained', checkpoint=FILE).")
        self.imitation_weight = imitation_weight
        self._teachers: tuple[nn.Module, ...] = ()  # a tuple keeps them out of parameters, checkpoints and averages

    def init_weights(self) -> None:
        """Initialize the weights before training, and load the teachers."""
        super().init_weights()
        self._teachers = tuple(self._load_teacher(config) for config in self._teacher_configs)

    def _load_teacher(self, config: dict) -> nn.Module:
        teacher = MODELS.build(config)
        if teacher.out_channels != self.out_channels:
            raise ValueError(
                f'The teacher has {teacher.out_channels} output channels, this network {self.out_channels}: '
                'give both the same num_classes.'
            )
        for name in ('mean', 'std'):
            theirs, ours = (getattr(model.data_preprocessor, name, None) for model in (teacher, self))
            if theirs is not None and (ours is None or not torch.equal(theirs, ours)):
                raise ValueError(f'The teacher would see images of another {name}: give both the same data_preprocessor.')
        for checkpoint, prefix in pretrained_checkpoints(teacher):
            require_all_tensors(teacher, checkpoint, prefix)
        teacher.init_weights()
        # ChannelsLastHook does not convert teachers, which are no submodules
        return teacher.to(memory_format=torch.channels_last).eval().requires_grad_(False)

    def loss(self, inputs: Tensor, data_samples: list) -> dict[str, Tensor]:
        """Compute the decode head's losses, and ``loss_imitation``, of a batch (N, 3, H, W)."""
        features = self.extract_feat(inputs)
        logits = self.decode_head(features)
        losses = add_prefix(self.decode_head.loss_by_feat(logits, data_samples), 'decode')
        if self.with_auxiliary_head:
            losses.update(self._auxiliary_head_forward_train(features, data_samples))
        with torch.no_grad():
            target = torch.stack([teacher.to(inputs.device)(inputs, mode='tensor') for teacher in self._teachers]).mean(dim=0)
        losses['loss_imitation'] = self.imitation_weight * imitation_loss(logits, target)
        return losses


@MODELS.register_module()
class BinaryTTAModel(SegTTAModel):
    """Test-time augmentation for one sigmoid channel: the mean of the views' probabilities.

    mmseg's ``SegTTAModel`` applies the sigmoid to these probabilities, so that with a threshold of 0.5 every pixel becomes rock.
    """

    def merge_preds(self, data_samples_list: list) -> list:
        """Average the views of each image into one sample with ``seg_logits`` (probabilities) and ``pred_sem_seg``."""
        if self.module.out_channels > 1:
            return super().merge_preds(data_samples_list)
        threshold = self.module.decode_head.threshold
        for views in data_samples_list:
            probability = sum(view.seg_logits.data for view in views) / len(views)
            views[0].seg_logits = PixelData(data=probability)
            views[0].pred_sem_seg = PixelData(data=(probability > threshold).to(probability))
        return [views[0] for views in data_samples_list]


@MODELS.register_module()
class ResNetWithStem(ResNet):
    """mmseg's ``ResNet`` that also returns its stem, the finest skip connection of a U-Net.

    `Deep Residual Learning <https://arxiv.org/abs/1512.03385>`_. The stem's feature map (64 channels, stride 2) comes before those
    of ``out_indices``, also in ``out_channels`` and ``out_strides``. torchvision's checkpoints fit.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        widths = [self.base_channels * self.block.expansion * 2**i for i in self.out_indices]
        self.out_channels = (self.stem_channels, *widths)
        self.out_strides = (2, *(4 * math.prod(self.strides[1 : i + 1]) for i in self.out_indices))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Compute the feature maps of images (N, 3, H, W): the stem's, then one for each of ``out_indices``."""
        x = self.stem(x) if self.deep_stem else self.relu(self.norm1(self.conv1(x)))
        features = [x]
        x = self.maxpool(x)
        for i, name in enumerate(self.res_layers):
            x = getattr(self, name)(x)
            if i in self.out_indices:
                features.append(x)
        return tuple(features)
