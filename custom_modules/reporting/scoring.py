"""Scores of a run's checkpoint on its test part, predicted again; folds of a cross-validation are pooled."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
from mmengine.analysis import FlopAnalyzer
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import DATASETS, init_default_scope
from mmengine.runner import Runner
from torch.utils.benchmark import Timer

from custom_modules.engine.config import each_config, loaded_data_sets, type_name, without_cache
from custom_modules.engine.weights import load_model
from custom_modules.evaluation.confusion import ConfusionScores, image_dice, ratio
from custom_modules.evaluation.objects import LABEL_LIMIT, class_object_counts, object_f1
from custom_modules.evaluation.predictions import CheckpointPredictions, Prediction, image_paths
from custom_modules.reporting.architecture import Architecture, describe_architecture
from custom_modules.reporting.paired import ImageCounts, pooled_counts
from custom_modules.reporting.runs import RunFolder, held_out_fold
from custom_modules.utils.errors import UsageError
from custom_modules.utils.tables import progress

BATCH = 8  # images in which the speed is measured


@dataclass(frozen=True)
class SegmentorResult:
    """A segmentation run, scored on its config's test part; or the folds of a seed, pooled."""

    runs: tuple[RunFolder, ...]  # the run, or those of the folds in order
    fold: tuple[int, int] | None  # the fold that is tested on and the number of folds; of pooled folds the first
    classes: tuple[str, ...]
    palette: list
    size: tuple[int, int]  # height and width of the masks
    names: list[str]  # of the images
    keys: list[str]  # digest of each image and its mask
    confusions: np.ndarray  # (images, classes, classes)
    objects: np.ndarray  # ObjectMatch.counts of the foreground classes (images, classes - 1, 4)
    kept: dict[str, Prediction]  # the predictions to show, by key
    fingerprint: str  # of images, masks, classes and resolution; results with the same one can be compared
    chosen_on_test: bool  # whether the best checkpoint was chosen on some of the test images
    learnt_on_test: int  # number of test images that it was trained on
    weights: str  # digest of the checkpoint
    cost: dict | None = None  # of measure_cost, if measured
    architecture: Architecture | None = None  # of describe_architecture, if measured
    missing: tuple[int, ...] = ()  # folds without a result

    @property
    def run(self) -> RunFolder:
        """The run, or that of the first fold."""
        return self.runs[0]

    @property
    def title(self) -> str:
        """The work dir, short; of folds what they have in common."""
        if self.fold is None:
            return self.run.title
        common = self.run.title.removesuffix(f'_fold{self.fold[0]}')
        return f'{common} ({len(self.runs)} of {self.fold[1]} folds)'

    @property
    def test_set(self) -> str:
        """The test data in words."""
        height, width = self.size
        missing = f', without {name_folds(self.missing)}' if self.missing else ''
        return f'{len(self.names)} images of {width}x{height} ({", ".join(self.classes)}){missing}'

    @property
    def scores(self) -> dict[str, float]:
        """The scores of the whole test part, named as by ``ClassIoUMetric``."""
        scores = ConfusionScores(self.confusions.sum(axis=0)).named(self.classes)
        for name in self.classes[1:]:
            for score in (f'{name}_image_Dice', f'{name}_object_F1'):
                counts = self.counts(score)
                scores[score] = float(counts.score(counts.counts.sum(axis=0)))
        return scores

    def counts(self, score: str) -> ImageCounts:
        """Return what a score, one of :attr:`scores`, counts in each image."""
        if score.endswith('_image_Dice'):
            index = self.classes.index(score.removesuffix('_image_Dice'))
            own = image_dice(self.confusions)[:, index]
            defined = np.isfinite(own)
            counts = np.stack([np.where(defined, own, 0), defined], axis=-1)
            return ImageCounts(counts, lambda sums: ratio(sums[..., 0], sums[..., 1]), own)
        if score.endswith('_object_F1'):
            index = self.classes.index(score.removesuffix('_object_F1'))
            counts = self.objects[:, index - 1]
            own = object_f1(counts)
            # no object in truth and prediction
            return ImageCounts(counts, object_f1, np.where(np.isfinite(own), own, 100.0))
        return pooled_counts(self.confusions, self.classes, score)


def name_folds(numbers: Collection[int]) -> str:
    """Name folds: ``fold 3``, ``folds 1, 4``."""
    return f'fold{"s" * (len(numbers) > 1)} {", ".join(map(str, sorted(numbers)))}'


@dataclass(frozen=True)
class ClassifierResult:
    """A classification run, scored on its config's test part."""

    run: RunFolder
    report: dict  # of ClassificationReport
    fingerprint: str  # of the test data; results with the same one can be compared
    test_set: str  # the test data in words
    cost: dict
    architecture: Architecture

    @property
    def title(self) -> str:
        """The work dir, short."""
        return self.run.title


def score_segmentor(run: RunFolder, cfg: Config, shown: int, measured: bool) -> SegmentorResult:
    """Score a run's checkpoint on the test part of ``cfg``, its config, perhaps with other test data.

    The predictions of ``shown`` images, evenly spaced over the part, are kept; ``measured`` says whether to measure the model's
    cost, and describe it. Raises a UsageError if data or checkpoint are missing or do not fit.
    """
    predictions = CheckpointPredictions(cfg, str(run.checkpoint))
    classes = predictions.classes
    metrics = [metric for _, metric in each_config('test_evaluator', cfg.get('test_evaluator'))]
    limit = next((metric['label_limit'] for metric in metrics if 'label_limit' in metric), LABEL_LIMIT)
    indices = shown_indices(len(predictions), shown)
    fingerprint = hashlib.sha256(repr(classes).encode())
    names, keys, confusions, objects, kept, files = [], [], [], [], {}, []
    for index, prediction in enumerate(predictions):
        truth, predicted = prediction.truth, prediction.predicted
        confusions.append(prediction.scores.confusion)
        objects.append(class_object_counts(truth, predicted, range(1, len(classes)), limit))
        # images of different folders may have the same name
        name = prediction.name
        names.append(f'{name} ({index})' if name in names else name)
        files.append(Path(prediction.img_path))
        content = files[-1].read_bytes() + repr((truth.shape, limit)).encode() + truth.tobytes()
        fingerprint.update(content)
        keys.append(hashlib.sha256(content).hexdigest()[:16])
        if index in indices:
            kept[keys[-1]] = prediction
    size = prediction.truth.shape
    chosen = run.monitored is not None and not run.last_epoch
    return SegmentorResult(
        runs=(run,),
        fold=held_out_fold(cfg),
        classes=classes,
        palette=predictions.palette,
        size=size,
        names=names,
        keys=keys,
        confusions=np.array(confusions),
        objects=np.array(objects),
        kept=kept,
        fingerprint=fingerprint.hexdigest()[:16],
        chosen_on_test=bool(chosen and shared_images(cfg, 'val', files)),
        learnt_on_test=shared_images(cfg, 'train', files),
        weights=hashlib.sha256(run.checkpoint.read_bytes()).hexdigest(),
        cost=measure_cost(predictions.model, size) if measured else None,
        architecture=describe_architecture(predictions.model, size, cfg) if measured else None,
    )


def pool_folds(results: Sequence[SegmentorResult], shown: int) -> SegmentorResult:
    """Pool the folds of one config and seed, which share no image: each image is scored once, by a model that has not seen it.

    Images are ordered by name, whatever the folds; the predictions of ``shown`` images are kept.
    """
    folds = sorted(results, key=lambda result: result.fold)
    first = folds[0]
    images = [pair for fold in folds for pair in zip(fold.names, fold.keys, strict=True)]
    order = sorted(range(len(images)), key=images.__getitem__)
    names, keys = zip(*(images[i] for i in order), strict=True)
    kept = {key: prediction for fold in folds for key, prediction in fold.kept.items()}
    candidates = [key for key in keys if key in kept]
    chosen = [candidates[i] for i in sorted(shown_indices(len(candidates), shown))]
    content = repr((first.classes, first.size, sorted(keys))).encode()
    return replace(
        first,
        runs=tuple(fold.run for fold in folds),
        names=list(names),
        keys=list(keys),
        confusions=np.concatenate([fold.confusions for fold in folds])[order],
        objects=np.concatenate([fold.objects for fold in folds])[order],
        kept={key: kept[key] for key in chosen},
        fingerprint=hashlib.sha256(content).hexdigest()[:16],
        chosen_on_test=any(fold.chosen_on_test for fold in folds),
        learnt_on_test=sum(fold.learnt_on_test for fold in folds),
        weights=' '.join(fold.weights for fold in folds),
        cost=next((fold.cost for fold in folds if fold.cost), None),
        architecture=next((fold.architecture for fold in folds if fold.architecture), None),
        missing=tuple(sorted(set(range(first.fold[1])) - {fold.fold[0] for fold in folds})),
    )


def score_classifier(run: RunFolder, cfg: Config) -> ClassifierResult:
    """Score a classifier's run as :func:`score_segmentor` does a segmentor's."""
    init_default_scope(cfg.default_scope)
    # here, since a report on segmentors does not need mmpretrain
    from custom_modules.evaluation.classification_report import ClassificationReport

    loader = Runner.build_dataloader(without_cache(cfg.test_dataloader))
    model = load_model(cfg, run.checkpoint).to(get_device(), memory_format=torch.channels_last)
    samples = []
    for batch in progress(loader, 'Classifying', len(loader)):
        with torch.inference_mode():
            samples += model.test_step(batch)
    metric = ClassificationReport()
    metric.dataset_meta = loader.dataset.metainfo
    labels = torch.cat([sample.gt_label for sample in samples]).cpu()
    scores = torch.stack([sample.pred_score for sample in samples]).cpu()
    names = [Path(sample.img_path).name for sample in samples]
    content = repr((names, labels.tolist(), loader.dataset.metainfo.get('classes')))
    size = tuple(model.data_preprocessor(next(iter(loader)), False)['inputs'].shape[2:])
    return ClassifierResult(
        run=run,
        report=metric.report(scores, labels),
        fingerprint=hashlib.sha256(content.encode()).hexdigest()[:16],
        test_set=f'{len(labels)} images of {scores.shape[1]} classes',
        cost=measure_cost(model, size),
        architecture=describe_architecture(model, size, cfg),
    )


def shared_images(cfg: Config, part: str, files: Sequence[Path]) -> int:
    """Count the test images that are also in another part, ``'train'`` or ``'val'``: files of the same name and content.

    If the other part's files are gone, it is all or none: all if both parts select the same images of their data sets.
    """
    parts = [config for _, config in loaded_data_sets(cfg, [part])]
    # their files are listed, and none is read
    unread, ours = dict(cache=None, check=False), ('MoonDataset', 'IndexedMaskDataset')
    try:
        datasets = [DATASETS.build(dict(own, pipeline=[], **(unread if type_name(own) in ours else {}))) for own in parts]
    except (UsageError, OSError):
        tested = [config for _, config in loaded_data_sets(cfg, ['test'])]
        return len(files) * (list(map(_selection, parts)) == list(map(_selection, tested)))
    others = defaultdict(list)
    for path in (Path(path) for dataset in datasets for path in image_paths(dataset)):
        others[path.name].append(path)
    return sum(any(file.read_bytes() == other.read_bytes() for other in others[file.name]) for file in files)


def _selection(dataset: dict) -> list:
    """Take from a data set's config what selects its images."""
    keys = ('type', 'split', 'val_fraction', 'test_fraction', 'fold', 'folds', 'ann_file', 'data_prefix', 'img_prefix')
    # the folder may have moved, with its name
    return [Path(dataset.get('data_root') or '').name, *(dataset.get(key) for key in keys)]


def shown_indices(count: int, shown: int) -> Collection[int]:
    """Choose ``shown`` of ``count`` indices, evenly spaced, the first and the last included."""
    return {round(index) for index in np.linspace(0, count - 1, min(shown, count))}


def measure_cost(model: nn.Module, size: tuple[int, int]) -> dict:
    """Measure the cost of a model of mmseg or mmpretrain in eval mode, for a size (height, width); takes about a second.

    Returns ``parameters``, ``flops`` (multiply-additions of one image, each counted once, as by mmengine; None if it
    cannot), ``images_per_second`` of the network alone, the ``batch`` size of this measurement, and the ``device``.
    """
    device = next(model.parameters()).device
    channels = getattr(model.backbone, 'in_channels', 3)
    inputs = torch.zeros(BATCH, channels, *size, device=device).to(memory_format=torch.channels_last)
    names, threads = dict(model=model, inputs=inputs), torch.get_num_threads()
    timer = Timer('model(inputs, mode="tensor")', globals=names, num_threads=threads)
    with torch.inference_mode():
        # warm-up, in which cuDNN chooses its algorithms
        timer.timeit(2)
        seconds = timer.blocked_autorange(min_run_time=0.5).median
    # without its warnings, which list every operator that it does not count
    counter = FlopAnalyzer(model, (inputs[:1],)).unsupported_ops_warnings(False)
    try:
        with torch.no_grad():
            flops = float(counter.uncalled_modules_warnings(False).total())
    except (RuntimeError, TypeError):
        flops = None
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return dict(parameters=parameters, flops=flops, images_per_second=BATCH / seconds, batch=BATCH, device=str(device))
