"""Scores of single classes: over all pixels, over images and over objects."""

import inspect
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import collect_results
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS

from custom_modules.datasets.masks import IGNORED
from custom_modules.evaluation.confusion import class_scores
from custom_modules.evaluation.objects import LABEL_LIMIT, class_object_counts, object_f1
from custom_modules.utils.errors import UsageError
from custom_modules.utils.files import write_atomically
from custom_modules.utils.images import encode_png

WAITING_BYTES = 2**27  # limit of the device memory for masks that wait for their transfer


@METRICS.register_module()
class ClassIoUMetric(IoUMetric):
    """mmseg's ``IoUMetric`` that also returns the scores of single classes.

    ``mIoU`` and ``mDice`` average over background and rock: predicting no rock at all still scores an mDice of 48. Hooks that
    choose a checkpoint need the rock's own scores, all in percent:

    - ``rock_Dice``, ``rock_IoU``, ``rock_Precision``, ``rock_Recall``: of the pixels of the whole set, as in mmseg;
    - ``rock_image_Dice``: the mean of the images' own Dice. An image without rock counts 100 if none is predicted, else 0; one
      whose pixels are all ignored does not count;
    - ``rock_object_F1``: rocks found and invented, as defined in :mod:`custom_modules.evaluation.objects`.

    The numbers are exactly mmseg's, from one count per batch on the device and one transfer at the end.

    Args:
        report_classes (Sequence[str]): Classes to report; unknown ones are a UsageError. Defaults to ``('rock',)``.
        iou_metrics (Sequence[str]): The means to report. Defaults to ``('mIoU', 'mDice')``.
        label_limit (float): Objects up to this share of their image do not count; 0 counts all. Defaults to the lunar renders'
            ``LABEL_LIMIT``, 240 pixels of 720x480, which are 11 of 128x128.
        **kwargs: ``ignore_index``, ``output_dir``, ... of mmseg's ``IoUMetric``.

    Attributes:
        mask_names (dict[str, str]): File names for ``output_dir`` by image path, see :func:`mask_names`; else the image's own.
    """

    def __init__(
        self,
        report_classes: Sequence[str] = ('rock',),
        iou_metrics: Sequence[str] = ('mIoU', 'mDice'),
        label_limit: float = LABEL_LIMIT,
        **kwargs,
    ) -> None:
        # mmseg's metric ignores unknown arguments, and one that mmseg's test.py --out gives
        if unknown := kwargs.keys() - inspect.signature(IoUMetric).parameters - {'keep_results'}:
            raise TypeError(f'ClassIoUMetric.__init__() got an unexpected keyword argument {unknown.pop()!r}')
        super().__init__(iou_metrics=list(iou_metrics), **kwargs)
        self.report_classes = tuple(report_classes)
        self.label_limit = label_limit
        self.mask_names: dict[str, str] = {}
        self._confusions: list[torch.Tensor] = []
        # of each batch the masks, on their device, and the images' shapes, until _count_objects makes _objects of them
        self._masks: list[tuple[torch.Tensor, list]] = []
        self._objects: list[np.ndarray] = []  # of each image the counts of ObjectMatch (classes, 4)

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Count a batch of ``pred_sem_seg`` and ``gt_sem_seg``, and write its masks where ``output_dir`` is given."""
        if self.output_dir is not None:
            for sample in data_samples:
                mask = sample['pred_sem_seg']['data'].squeeze().cpu().numpy() + bool(sample.get('reduce_zero_label'))
                name = self.mask_names.get(sample['img_path'], Path(sample['img_path']).stem)
                png = encode_png(mask.astype(np.uint8), areas=True)
                write_atomically(Path(self.output_dir, f'{name}.png'), png, sync=False)
        if not self.format_only:
            self._confusions.append(self._count(data_samples))

    def evaluate(self, size: int) -> dict[str, float]:
        """Compute the scores of a data set of ``size`` images."""
        if self._confusions:
            counts = torch.cat(self._confusions).cpu().float()
            hit = counts.diagonal(dim1=1, dim2=2)[:, :-1]
            predicted, labelled = counts.sum(1)[:, :-1], counts.sum(2)[:, :-1]
            # mmseg's results: intersection, union, predicted and labelled area of each image, by class
            self.results.extend(zip(hit, predicted + labelled - hit, predicted, labelled, strict=True))
            self._confusions.clear()
        self._count_objects()
        # those of all processes, as BaseMetric collects self.results
        self._objects = collect_results(self._objects, size, self.collect_device) or []
        scores = super().evaluate(size)
        self._objects = []
        return scores

    def _count(self, data_samples: Sequence[dict]) -> torch.Tensor:
        """Count pixels by image, label and prediction (N, classes + 1, classes + 1); the last class is any other value."""
        classes = len(self.dataset_meta['classes'])
        size = classes + 1
        places, masks, shapes = [], [], []
        for i, sample in enumerate(data_samples):
            predicted = sample['pred_sem_seg']['data']
            shapes.append(predicted.shape[-2:])
            label = sample['gt_sem_seg']['data'].to(predicted.device).flatten().long()
            known = label != self.ignore_index
            label, predicted = (v.where((v >= 0) & (v < classes), classes) for v in (label, predicted.flatten().long()))
            # ignored pixels go to an extra bin, since boolean indexing would synchronize with the device
            places.append((i * size**2 + label * size + predicted).where(known, len(data_samples) * size**2))
            masks += [label.where(known, IGNORED).to(torch.uint8), predicted.to(torch.uint8)]
        place = torch.cat(places)
        counts = place.new_zeros(len(data_samples) * size**2 + 1)
        counts.scatter_add_(0, place, torch.ones_like(place))
        if self.report_classes:
            self._masks.append((torch.cat(masks), shapes))
        if sum(mask.numel() for mask, _ in self._masks) > WAITING_BYTES:
            self._count_objects()
        return counts[:-1].view(-1, size, size)

    def _count_objects(self) -> None:
        if not self._masks:
            return
        classes = list(self.dataset_meta['classes'])
        reported = [classes.index(name) for name in self.report_classes if name in classes]
        pixels = torch.cat([masks for masks, _ in self._masks]).cpu().numpy()
        start = 0
        for height, width in (shape for _, shapes in self._masks for shape in shapes):
            label, predicted = pixels[start:][: 2 * height * width].reshape(2, height, width)
            start += 2 * height * width
            self._objects.append(class_object_counts(label, predicted, reported, self.label_limit))
        self._masks.clear()

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Compute ``aAcc``, the means and the scores of each reported class from mmseg's areas of each image.

        A score of 0/0 is 0 if the labels contain the class (nothing was predicted), else nan.
        """
        metrics = super().compute_metrics(results)
        if self.format_only:
            return metrics
        # (images, classes) each
        hit, _, predicted, labelled = (torch.stack(values).double().numpy() for values in zip(*results, strict=True))
        counted = labelled.sum(axis=1) > 0
        classes = list(self.dataset_meta['classes'])
        for place, name in enumerate(self.report_classes):
            if name not in classes:
                raise UsageError(
                    f'report_classes of ClassIoUMetric names {name!r}, but the data set has {", ".join(classes)}: '
                    'set it in val_evaluator and test_evaluator.'
                )
            areas = [area[:, classes.index(name)] for area in (hit, labelled, predicted)]
            pooled = class_scores(*(area.sum() for area in areas), absent=0.0 if areas[1].any() else float('nan'))
            metrics |= {f'{name}_{key[0].upper()}{key[1:]}': float(v) for key, v in pooled.items()}
            dice = class_scores(*(area[counted] for area in areas), absent=100.0)['Dice']
            metrics[f'{name}_image_Dice'] = float(dice.mean()) if len(dice) else float('nan')
            if self._objects:
                metrics[f'{name}_object_F1'] = float(object_f1(np.sum([counts[place] for counts in self._objects], axis=0)))
        if self.nan_to_num is not None:
            metrics = {name: float(np.nan_to_num(value, nan=self.nan_to_num)) for name, value in metrics.items()}
        return metrics


def mask_names(images: Sequence[str]) -> dict[str, str]:
    """Name each image's mask after the image; where names repeat, as in joined data sets, with folders that tell them apart.

    Example:
        >>> mask_names(['a/render1.png', 'b/render1.png'])
        {'a/render1.png': 'a/render1', 'b/render1.png': 'b/render1'}
    """
    names = {path: Path(path).stem for path in images}
    if len(set(names.values())) == len(names):
        return names
    places = {path: os.path.splitext(os.path.abspath(path))[0] for path in names}
    shared = os.path.commonpath([os.path.dirname(place) for place in places.values()])
    return {path: Path(os.path.relpath(place, shared)).as_posix() for path, place in places.items()}
