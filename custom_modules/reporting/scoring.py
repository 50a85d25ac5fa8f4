"""From a run's folder to scores: its checkpoint predicts the test part again; folds of a cross-validation together."""

import hashlib
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
from custom_modules.evaluation.confusion import ConfusionScores, image_dice
from custom_modules.evaluation.objects import LABEL_LIMIT, class_object_counts, object_f1
from custom_modules.evaluation.predictions import CheckpointPredictions, Prediction, image_paths
from custom_modules.reporting.architecture import Architecture, describe_architecture
from custom_modules.reporting.paired import ImageCounts, pooled_counts
from custom_modules.reporting.runs import RunFolder, held_out_fold
from custom_modules.utils.errors import UsageError
from custom_modules.utils.tables import progress


@dataclass(frozen=True)
class SegmentorResult:
    """A finished segmentation run, scored again on its config's test part; or all folds of one, each on its own."""

    runs: tuple[RunFolder, ...]  # the run; the folds' runs in their order
    fold: tuple[int, int] | None  # which part of how many was held out and is tested on; of folds that of the first
    classes: tuple[str, ...]
    palette: list
    size: tuple[int, int]  # height and width of the masks
    names: list[str]  # of the images
    keys: list[str]  # the digest of each image and its mask
    confusions: np.ndarray  # the confusion matrix of each image (images, classes, classes)
    # of each image and class but the background the counts of ObjectMatch.counts (images, classes - 1, 4)
    objects: np.ndarray
    kept: dict[str, Prediction]  # the predictions to show, by their keys
    fingerprint: str  # of images, masks, classes and resolution; results with the same one can be compared
    chosen_on_test: bool  # whether the best checkpoint was chosen on some of these very test images
    learnt_on_test: int  # on how many of them it was trained
    weights: str  # of the checkpoint's content; a copy has the same
    cost: dict | None = None  # of measure_cost, where it was asked for
    architecture: Architecture | None = None  # of describe_architecture, where it was asked for
    missing: tuple[int, ...] = ()  # folds that are not there

    @property
    def run(self) -> RunFolder:
        """The run, or that of the first fold."""
        return self.runs[0]

    @property
    def title(self) -> str:
        """The work dir in few words; of folds what they have in common."""
        if self.fold is None:
            return self.run.title
        together = self.run.title.removesuffix(f'_fold{self.fold[0]}')
        return f'{together} ({len(self.runs)} of {self.fold[1]} folds)'

    @property
    def test_set(self) -> str:
        """The test data in words."""
        height, width = self.size
        lacking = f', without {name_folds(self.missing)}' if self.missing else ''
        return f'{len(self.names)} images of {width}x{height} ({", ".join(self.classes)}){lacking}'

    @property
    def scores(self) -> dict[str, float]:
        """The scores of the whole part, named as ``ClassIoUMetric`` names them."""
        scores = ConfusionScores(self.confusions.sum(axis=0)).named(self.classes)
        for name in self.classes[1:]:
            for score in (f'{name}_image_Dice', f'{name}_object_F1'):
                counts = self.counts(score)
                scores[score] = float(counts.score(counts.counts.sum(axis=0)))
        return scores

    def counts(self, score: str) -> ImageCounts:
        """Give what a score, one of :attr:`scores`, counts in each image."""
        if score.endswith('_image_Dice'):
            index = self.classes.index(score.removesuffix('_image_Dice'))
            own = image_dice(self.confusions)[:, index]
            counted = np.isfinite(own)
            counts = np.stack([np.where(counted, own, 0), counted], axis=-1)
            return ImageCounts(counts, _mean_of_sums, own)
        if score.endswith('_object_F1'):
            index = self.classes.index(score.removesuffix('_object_F1'))
            counts = self.objects[:, index - 1]
            own = object_f1(counts)
            # nothing there, nothing invented
            return ImageCounts(counts, object_f1, np.where(np.isfinite(own), own, 100.0))
        return pooled_counts(self.confusions, self.classes, score)


def _mean_of_sums(sums: np.ndarray) -> np.ndarray:
    total, count = np.moveaxis(np.asarray(sums, float), -1, 0)
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def name_folds(numbers: Collection[int]) -> str:
    """Say which folds: ``fold 3``, ``folds 1, 4``."""
    return f'fold{"s" * (len(numbers) > 1)} {", ".join(map(str, sorted(numbers)))}'


@dataclass(frozen=True)
class ClassifierResult:
    """A finished classification run, scored again on its config's test part; results with one fingerprint can be compared."""

    run: RunFolder
    report: dict
    fingerprint: str
    test_set: str
    cost: dict
    architecture: Architecture

    @property
    def title(self) -> str:
        """The work dir in few words."""
        return self.run.title


def score_segmentor(run: RunFolder, cfg: Config, shown: int = 6, measured: bool = True) -> SegmentorResult:
    """Score a run's checkpoint on the test part of its config, perhaps with other test data.

    The predictions of ``shown`` images, evenly spaced over the part, are kept; ``measured`` says whether to measure what the
    model costs, and describe it. Raises a UsageError if data or checkpoint are not there or do not fit.
    """
    predictions = CheckpointPredictions(cfg, str(run.checkpoint))
    classes = predictions.classes
    evaluators = each_config('test_evaluator', cfg.get('test_evaluator'))
    limits = [metric['label_limit'] for _, metric in evaluators if 'label_limit' in metric]
    limit = limits[0] if limits else LABEL_LIMIT
    wanted = shown_indices(len(predictions), shown)
    together = hashlib.sha256(repr(classes).encode())
    names, keys, confusions, objects, kept, files = [], [], [], [], {}, []
    for index, prediction in enumerate(predictions):
        truth, predicted = prediction.truth, prediction.predicted
        confusions.append(prediction.scores.confusion)
        objects.append(class_object_counts(truth, predicted, range(1, len(classes)), limit))
        # of two folders, say, images may share a name
        names.append(prediction.name + f' ({index})' * (prediction.name in names))
        files.append(Path(prediction.img_path))
        content = files[-1].read_bytes() + repr(truth.shape).encode() + truth.tobytes()
        together.update(content)
        keys.append(hashlib.sha256(content).hexdigest()[:16])
        if index in wanted:
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
        fingerprint=together.hexdigest()[:16],
        chosen_on_test=bool(chosen and shared_images(cfg, 'val', files)),
        learnt_on_test=shared_images(cfg, 'train', files),
        weights=hashlib.sha256(run.checkpoint.read_bytes()).hexdigest(),
        cost=measure_cost(predictions.model, size) if measured else None,
        architecture=describe_architecture(predictions.model, size, cfg) if measured else None,
    )


def pool_folds(results: Sequence[SegmentorResult], shown: int = 6) -> SegmentorResult:
    """Put the folds of one config and seed together, which share no image: every image once, scored by a model that has not seen it.

    Images are ordered by their names, whatever the folds; the predictions of ``shown`` are kept.
    """
    folds = sorted(results, key=lambda result: result.fold)
    first = folds[0]
    images = [pair for fold in folds for pair in zip(fold.names, fold.keys, strict=True)]
    order = sorted(range(len(images)), key=images.__getitem__)
    names, keys = zip(*(images[i] for i in order), strict=True)
    kept = {key: prediction for fold in folds for key, prediction in fold.kept.items()}
    in_order = [key for key in keys if key in kept]
    chosen = [in_order[i] for i in sorted(shown_indices(len(in_order), shown))]
    content = repr((first.classes, first.size, sorted(keys))).encode()
    there = {fold.fold[0] for fold in folds}
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
        missing=tuple(sorted(set(range(first.fold[1])) - there)),
    )


def score_classifier(run: RunFolder, cfg: Config) -> ClassifierResult:
    """Score a run's checkpoint on the test part of its config, perhaps with other test data.

    Raises a UsageError if data or checkpoint are not there or do not fit.
    """
    init_default_scope(cfg.default_scope)
    # imported here: a report on segmentors never needs mmpretrain
    from custom_modules.evaluation.classification_report import ClassificationReport

    loader = Runner.build_dataloader(without_cache(cfg.test_dataloader))
    model = load_model(cfg, run.checkpoint)
    model = model.to(get_device(), memory_format=torch.channels_last)
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
    """Count the test's images that are in another part, ``'train'`` or ``'val'``, too, wherever a copy of them lies.

    Where the other part's files are gone it is all or none, as the parts are cut.
    """
    parts = [config for _, config in loaded_data_sets(cfg, [part])]
    try:
        built = [DATASETS.build(_unread(config)) for config in parts]
    except (UsageError, OSError):
        # moved away: all that is left is how it was cut
        same = [_cut(config) for config in parts] == [_cut(config) for _, config in loaded_data_sets(cfg, ['test'])]
        return len(files) * same
    others = {Path(path).name: Path(path) for config in built for path in image_paths(config)}
    pairs = [(file, others[file.name]) for file in files if file.name in others]
    return sum(file.read_bytes() == other.read_bytes() for file, other in pairs)


def _unread(dataset: dict) -> dict:
    """Change a data set's config so that its files are listed and none is read."""
    own = type_name(dataset) in ('MoonDataset', 'IndexedMaskDataset')
    return dict(dataset, pipeline=[]) | (dict(cache=None, check=False) if own else {})


def _cut(dataset: dict) -> dict:
    """Leave of a data set's config what says which of its images are in it."""
    cutting = ('split', 'val_fraction', 'test_fraction', 'fold', 'folds', 'ann_file', 'data_prefix')
    return {key: dataset.get(key) for key in ('type', *cutting)}


def shown_indices(count: int, shown: int) -> Collection[int]:
    """Choose indices evenly spaced over a set, its first and last included."""
    return {round(index) for index in np.linspace(0, count - 1, min(shown, count))}


def measure_cost(model: nn.Module, size: tuple[int, int], batch: int = 8) -> dict:
    """Count and measure a model of mmseg or mmpretrain in eval mode, for an input of height and width; takes about a second.

    There are ``parameters``, ``flops`` (multiply-additions of one image, each counted once, as mmengine counts; None
    where it cannot), ``images_per_second`` through the network alone in a ``batch`` of so many, and the ``device``.
    """
    device = next(model.parameters()).device
    inputs = torch.zeros(batch, 3, *size, device=device)
    inputs = inputs.to(memory_format=torch.channels_last)
    names, threads = dict(model=model, inputs=inputs), torch.get_num_threads()
    timer = Timer('model(inputs, mode="tensor")', globals=names, num_threads=threads)
    with torch.inference_mode():
        # the first calls choose their algorithms
        timer.timeit(2)
        seconds = timer.blocked_autorange(min_run_time=0.5).median
    # it would list every operator that it does not count
    counter = FlopAnalyzer(model, (inputs[:1],)).unsupported_ops_warnings(False)
    try:
        with torch.no_grad():
            flops = float(counter.uncalled_modules_warnings(False).total())
    except (RuntimeError, TypeError):
        flops = None
    parameters = sum(parameter.numel() for parameter in model.parameters())
    counted = dict(parameters=parameters, flops=flops, images_per_second=batch / seconds)
    return dict(counted, batch=batch, device=str(device))
