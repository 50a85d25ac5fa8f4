"""From a run's folder to scores: its checkpoint is loaded and predicts the test part again."""

import contextlib
import hashlib
import io
import logging
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope
from mmengine.runner import Runner

from custom_modules.analysis.selection import image_paths
from custom_modules.engine.config import data_set_configs, each_config, type_name, without_cache
from custom_modules.engine.weights import load_model
from custom_modules.evaluation.objects import LABEL_LIMIT, class_object_counts
from custom_modules.evaluation.predictions import CheckpointPredictions
from custom_modules.reporting.architecture import describe_architecture
from custom_modules.reporting.results import ClassifierResult, ModelCost, SegmentorResult
from custom_modules.reporting.runs import RunFolder, held_out_fold
from custom_modules.utils.errors import UsageError
from custom_modules.utils.tables import progress


def score_segmentor(
    run: RunFolder, cfg: Config, shown: int = 6, measured: bool = True
) -> SegmentorResult:
    """Score a run's checkpoint on its config's test part.

    Args:
        run (RunFolder): The run.
        cfg (mmengine.Config): Its config, perhaps with other test data.
        shown (int): Of how many images, evenly spaced over the part, the predictions are kept. Defaults to 6.
        measured (bool): Whether to measure what the model costs, and describe it. Defaults to True.

    Raises:
        UsageError: If data or checkpoint are not there or do not fit.
    """
    predictions = CheckpointPredictions(cfg, str(run.checkpoint))
    classes = predictions.classes
    limit = _label_limit(cfg)
    wanted = shown_indices(len(predictions), shown)
    together = hashlib.sha256(repr(classes).encode())
    names, keys, confusions, objects, kept, files = [], [], [], [], [], []
    for index, prediction in enumerate(predictions):
        truth, predicted = prediction.truth, prediction.predicted
        confusions.append(prediction.scores.confusion)
        objects.append(class_object_counts(truth, predicted, range(1, len(classes)), limit))
        # of two folders, say, images may share a name
        again = names.count(prediction.name)
        names.append(prediction.name + f' ({index})' * (again > 0))
        files.append(Path(prediction.img_path))
        content = (files[-1].read_bytes(), repr(truth.shape).encode() + truth.tobytes())
        for part in content:
            together.update(part)
        keys.append(hashlib.sha256(b''.join(content)).hexdigest()[:16])
        if index in wanted:
            kept.append(prediction)
    size = kept[0].truth.shape
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
        shown=[keys[index] for index in sorted(wanted)],
        fingerprint=together.hexdigest()[:16],
        chosen_on_test=bool(chosen and shared_images(cfg, 'val', files)),
        learnt_on_test=shared_images(cfg, 'train', files),
        weights=hashlib.sha256(run.checkpoint.read_bytes()).hexdigest(),
        cost=measure_cost(predictions.model, size) if measured else None,
        architecture=describe_architecture(predictions.model, size, cfg) if measured else None,
    )


def pool_folds(results: Sequence[SegmentorResult], shown: int = 6) -> SegmentorResult:
    """Put the folds of one config and seed together: every image once, scored by a model that has not seen it.

    Args:
        results (Sequence[SegmentorResult]): The folds' results, none twice and without an image in common.
        shown (int): Of how many images the predictions are kept. Defaults to 6.

    Returns:
        SegmentorResult: All images, by their names, in an order that does not depend on the folds.
    """
    folds = sorted(results, key=lambda result: result.fold)
    first = folds[0]
    names = [name for fold in folds for name in fold.names]
    keys = [key for fold in folds for key in fold.keys]
    order = sorted(range(len(names)), key=lambda i: (names[i], keys[i]))
    kept = {key: p for fold in folds for key, p in zip(fold.shown, fold.kept, strict=True)}
    in_order = [keys[i] for i in order if keys[i] in kept]
    chosen = [in_order[i] for i in sorted(shown_indices(len(in_order), shown))]
    content = repr((first.classes, first.size, sorted(keys))).encode()
    there = {fold.fold[0] for fold in folds}
    return replace(
        first,
        runs=tuple(fold.run for fold in folds),
        names=[names[i] for i in order],
        keys=[keys[i] for i in order],
        confusions=np.concatenate([fold.confusions for fold in folds])[order],
        objects=np.concatenate([fold.objects for fold in folds])[order],
        kept=[kept[key] for key in chosen],
        shown=chosen,
        fingerprint=hashlib.sha256(content).hexdigest()[:16],
        chosen_on_test=any(fold.chosen_on_test for fold in folds),
        learnt_on_test=sum(fold.learnt_on_test for fold in folds),
        weights=' '.join(fold.weights for fold in folds),
        cost=next((fold.cost for fold in folds if fold.cost), None),
        architecture=next((fold.architecture for fold in folds if fold.architecture), None),
        missing=tuple(sorted(set(range(first.fold[1])) - there)),
    )


def score_classifier(run: RunFolder, cfg: Config) -> ClassifierResult:
    """Score a run's checkpoint on its config's test part.

    Args:
        run (RunFolder): The run.
        cfg (mmengine.Config): Its config, perhaps with other test data.

    Raises:
        UsageError: If data or checkpoint are not there or do not fit.
    """
    from mmengine.device import get_device

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
    inputs = model.data_preprocessor(next(iter(loader)), False)['inputs']
    size = tuple(inputs.shape[2:])
    return ClassifierResult(
        run=run,
        report=metric.report(scores, labels),
        fingerprint=hashlib.sha256(content.encode()).hexdigest()[:16],
        test_set=f'{len(labels)} images of {scores.shape[1]} classes',
        cost=measure_cost(model, size),
        architecture=describe_architecture(model, size, cfg),
    )


def _label_limit(cfg: Config) -> float:
    """Read from the config's metric up to which share of the image objects do not count."""
    evaluators = each_config('test_evaluator', cfg.get('test_evaluator'))
    limits = [metric['label_limit'] for _, metric in evaluators if 'label_limit' in metric]
    return limits[0] if limits else LABEL_LIMIT


def shared_images(cfg: Config, part: str, files: Sequence[Path]) -> int:
    """Count the test's files that are in another part too, wherever a copy of them lies.

    Args:
        cfg (Config): The run's config.
        part (str): ``'train'`` or ``'val'``.
        files (Sequence[Path]): The test's images.

    Returns:
        int: How many; where the other part's files are gone all or none, as the parts are cut.
    """
    data = (cfg.get(f'{part}_dataloader') or {}).get('dataset')
    if not data:
        return 0
    parts = [config for _, config in data_set_configs(part, data)]
    try:
        built = [DATASETS.build(_unread(config)) for config in parts]
    except (UsageError, OSError):
        # moved away: all that is left is how it was cut
        test = [config for _, config in data_set_configs('test', cfg.test_dataloader.dataset)]
        return len(files) * (
            [_cut(config) for config in parts] == [_cut(config) for config in test]
        )
    others = {Path(path).name: Path(path) for config in built for path in image_paths(config)}
    return sum(
        file.name in others and file.read_bytes() == others[file.name].read_bytes()
        for file in files
    )


def _unread(dataset: dict) -> dict:
    """Change a data set's config so that its files are listed and none is read."""
    own = type_name(dataset) in ('MoonDataset', 'IndexedMaskDataset')
    return dict(dataset, pipeline=[], **(dict(cache=None, check=False) if own else {}))


def _cut(dataset: dict) -> dict:
    """Leave of a data set's config what says which of its images are in it."""
    cutting = ('split', 'val_fraction', 'test_fraction', 'fold', 'folds', 'ann_file', 'data_prefix')
    return {key: dataset.get(key) for key in ('type', *cutting)}


def shown_indices(count: int, shown: int) -> Collection[int]:
    """Choose indices evenly spaced over a set, its first and last included."""
    return {round(index) for index in np.linspace(0, count - 1, min(shown, count))}


def measure_cost(model: nn.Module, size: tuple[int, int], batch: int = 8) -> ModelCost:
    """Count and measure a model in eval mode; takes about a second.

    Args:
        model (nn.Module): A model of mmseg or mmpretrain, on its device.
        size (tuple[int, int]): Height and width of the input.
        batch (int): Images in a batch. Defaults to 8.
    """
    device = next(model.parameters()).device
    inputs = torch.zeros(batch, 3, *size, device=device)
    inputs = inputs.to(memory_format=torch.channels_last)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    speed = batch / _median_seconds(model, inputs)
    return ModelCost(parameters, _flops(model, inputs[:1]), speed, tuple(size), batch, str(device))


@torch.inference_mode()
def _median_seconds(model: nn.Module, inputs: torch.Tensor) -> float:
    seconds, end = [], time.perf_counter() + 0.5
    for repeat in range(1000):
        start = time.perf_counter()
        model(inputs, mode='tensor')
        if inputs.is_cuda:
            torch.cuda.synchronize()
        # the first two choose their algorithms
        if repeat > 1:
            seconds.append(time.perf_counter() - start)
        if time.perf_counter() > end and len(seconds) >= 5:
            break
    return float(np.median(seconds))


def _flops(model: nn.Module, image: torch.Tensor) -> float | None:
    from mmengine.analysis import get_model_complexity_info
    from mmengine.logging import MMLogger

    logger = MMLogger.get_current_instance()
    level = logger.level
    # it lists every operator that it does not count
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
            found = get_model_complexity_info(
                model, inputs=(image,), show_table=False, show_arch=False
            )
    except (RuntimeError, TypeError):
        return None
    finally:
        logger.setLevel(level)
    return float(found['flops'])
