from collections.abc import Sequence

import torch
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS

from custom_modules.utils.errors import UsageError


@METRICS.register_module()
class ClassIoUMetric(IoUMetric):
    """mmseg's ``IoUMetric`` that also returns the scores of single classes.

    ``mIoU`` and ``mDice`` average over background and rock, and predicting no rock at all still scores an
    mDice of 48. A hook that chooses a checkpoint needs the rock's own Dice as a scalar: ``rock_Dice``,
    and beside it ``rock_IoU``, ``rock_Precision`` and ``rock_Recall``. All are in percent and, as in
    mmseg, counted over the pixels of the whole set, not averaged over images.

    The numbers are mmseg's to the last digit. They come from one count per batch on the device where the
    predictions are, of every pair of classes in every image, and from one transfer at the end, where mmseg takes three
    histograms and four transfers per image.

    Args:
        report_classes (Sequence[str]): The classes to report. Defaults to ``('rock',)``.
        iou_metrics (Sequence[str]): The means to report. Defaults to ``('mIoU', 'mDice')``.
        **kwargs: ``ignore_index``, ``output_dir``, ... of mmseg's ``IoUMetric``.

    Raises:
        UsageError: If the data set has no such class.
    """

    def __init__(
        self,
        report_classes: Sequence[str] = ('rock',),
        iou_metrics: Sequence[str] = ('mIoU', 'mDice'),
        **kwargs,
    ) -> None:
        super().__init__(iou_metrics=list(iou_metrics), **kwargs)
        self.report_classes = tuple(report_classes)
        self._confusions = []

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Count a batch, and write its masks where ``output_dir`` is given.

        Args:
            data_batch (dict): Unused.
            data_samples (Sequence[dict]): Samples with ``pred_sem_seg``, ``gt_sem_seg`` and ``img_path``.
        """
        if self.output_dir is not None:
            format_only, self.format_only = self.format_only, True
            super().process(data_batch, data_samples)
            self.format_only = format_only
        if not self.format_only:
            self._confusions.append(self._count(data_samples))

    def evaluate(self, size: int) -> dict[str, float]:
        """Compute the scores of all that was counted since the last time.

        Args:
            size (int): Number of images in the data set.

        Returns:
            dict[str, float]: The scores.
        """
        if self._confusions:
            self.results.extend(_areas(torch.cat(self._confusions).cpu()))
            self._confusions.clear()
        return super().evaluate(size)

    def _count(self, data_samples: Sequence[dict]) -> torch.Tensor:
        """Pixels of each image, label and prediction, (N, classes + 1, classes + 1); the last is any other value."""
        classes = len(self.dataset_meta['classes'])
        size = classes + 1
        places = []
        for i, sample in enumerate(data_samples):
            predicted = sample['pred_sem_seg']['data'].flatten().long()
            label = sample['gt_sem_seg']['data'].to(predicted.device).flatten().long()
            pair = _or_other(label, classes) * size + _or_other(predicted, classes)
            # ignored pixels go to a place behind all images, since selecting the others would wait for the device
            nowhere = len(data_samples) * size**2
            places.append((i * size**2 + pair).where(label != self.ignore_index, nowhere))
        place = torch.cat(places)
        counts = place.new_zeros(len(data_samples) * size**2 + 1)
        counts.scatter_add_(0, place, torch.ones_like(place))
        return counts[:-1].view(-1, size, size)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Compute the scores of the whole set.

        Args:
            results (list[tuple[Tensor]]): Intersection, union, prediction and label areas per image.

        Returns:
            dict[str, float]: ``aAcc``, the means, and the scores of each reported class in percent. A
            score without any pixel to count is 0 where the class exists in the labels (nothing
            was predicted) and nan where it does not.
        """
        metrics = super().compute_metrics(results)
        if self.format_only:
            return metrics
        intersect, union, predicted, labelled = (sum(areas) for areas in zip(*results, strict=True))
        classes = list(self.dataset_meta['classes'])
        for name in self.report_classes:
            if name not in classes:
                raise UsageError(
                    f'report_classes of ClassIoUMetric names {name!r}, but the data set has {", ".join(classes)}: '
                    'set it in val_evaluator and test_evaluator.'
                )
            i = classes.index(name)
            tp, present = float(intersect[i]), float(labelled[i]) > 0
            scores = {
                'Dice': (2 * tp, float(predicted[i] + labelled[i])),
                'IoU': (tp, float(union[i])),
                'Precision': (tp, float(predicted[i])),
                'Recall': (tp, float(labelled[i])),
            }
            for score, (part, whole) in scores.items():
                undefined = 0.0 if present else float('nan')
                metrics[f'{name}_{score}'] = 100 * part / whole if whole else undefined
        return metrics


def _or_other(values: torch.Tensor, classes: int) -> torch.Tensor:
    return values.where((values >= 0) & (values < classes), classes)


def _areas(confusions: torch.Tensor) -> list[tuple[torch.Tensor, ...]]:
    """Each image's result as mmseg has it: intersection, union, predicted and labelled area of each class."""
    counts = confusions.float()
    intersect = counts.diagonal(dim1=1, dim2=2)[:, :-1]
    predicted, labelled = counts.sum(1)[:, :-1], counts.sum(2)[:, :-1]
    union = predicted + labelled - intersect
    return list(zip(intersect, union, predicted, labelled, strict=True))
