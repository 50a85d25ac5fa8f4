"""Scores of the checkpoints of runs."""

import contextlib
import hashlib
import io
import logging
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope
from mmengine.runner import Runner

from custom_modules.analysis.selection import image_paths
from custom_modules.engine.config import data_set_configs, type_name, without_cache
from custom_modules.engine.weights import load_model
from custom_modules.evaluation.confusion import ConfusionScores
from custom_modules.evaluation.predictions import CheckpointPredictions
from custom_modules.reporting.runs import RunFolder
from custom_modules.utils.errors import UsageError
from custom_modules.utils.progress import progress


@dataclass(frozen=True)
class ModelCost:
    """What a model costs.

    Args:
        parameters (int): All its parameters.
        flops (float | None): Multiply-additions for one image, each counted once, as mmengine counts; None where it
            cannot.
        images_per_second (float): Images through the network alone, without loading and resizing.
        size (tuple[int, int]): Height and width of the input.
        batch (int): Images in a batch while the time was taken.
        device (str): Where it ran.
    """

    parameters: int
    flops: float | None
    images_per_second: float
    size: tuple[int, int]
    batch: int
    device: str

    @classmethod
    def of(cls, model: nn.Module, size: tuple[int, int], batch: int = 8) -> 'ModelCost':
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
        return cls(parameters, _flops(model, inputs[:1]), speed, tuple(size), batch, str(device))


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


class SegmentorResult:
    """A finished segmentation run, scored again: its best checkpoint on its config's test part.

    Args:
        run (RunFolder): The run.
        cfg (mmengine.Config): Its config, perhaps with other test data.
        shown (int): Of how many images, evenly spaced over the part, the predictions are kept. Defaults to 6.
        measured (bool): Whether to measure what the model costs. Defaults to True.

    Attributes:
        classes (tuple[str]): Names of the classes.
        confusions (np.ndarray): Confusion matrix of each image (images, classes, classes).
        names (list[str]): Name of each image.
        fingerprint (str): Of images, masks, classes and resolution; runs with the same one can be compared.
        kept (list[Prediction]): The predictions to show.
        chosen_on_test (bool): Whether the best checkpoint was chosen on some of these very test images.
        weights (str): Of the checkpoint's content; a copy has the same.
        cost (ModelCost | None): Parameters, operations and speed.

    Raises:
        UsageError: If data or checkpoint are not there or do not fit.
    """

    def __init__(self, run: RunFolder, cfg: Config, shown: int = 6, measured: bool = True) -> None:
        predictions = CheckpointPredictions(cfg, str(run.checkpoint))
        self.run = run
        self.classes, self.palette = predictions.classes, predictions.palette
        wanted = shown_indices(len(predictions), shown)
        digest = hashlib.sha256(repr(self.classes).encode())
        confusions, self.names, self.kept, files = [], [], [], []
        for index, prediction in enumerate(predictions):
            confusions.append(prediction.scores.confusion)
            # of two folders, say, images may share a name
            again = self.names.count(prediction.name)
            self.names.append(prediction.name + f' ({index})' * (again > 0))
            files.append(Path(prediction.img_path))
            digest.update(files[-1].read_bytes())
            digest.update(repr(prediction.truth.shape).encode() + prediction.truth.tobytes())
            if index in wanted:
                self.kept.append(prediction)
        self.confusions = np.array(confusions)
        self.fingerprint = digest.hexdigest()[:16]
        self.size = self.kept[0].truth.shape
        self.chosen_on_test = run.monitored is not None and _share_images(cfg, files)
        self.weights = hashlib.sha256(run.checkpoint.read_bytes()).hexdigest()
        self.cost = ModelCost.of(predictions.model, self.size) if measured else None

    @property
    def test_set(self) -> str:
        """The test data in words."""
        height, width = self.size
        return f'{len(self.names)} images of {width}x{height} ({", ".join(self.classes)})'

    @property
    def scores(self) -> dict[str, float]:
        """The scores of the whole part, named as ``ClassIoUMetric`` names them."""
        return ConfusionScores(self.confusions.sum(axis=0)).named(self.classes)


def _share_images(cfg: Config, files: Sequence[Path]) -> bool:
    """Say whether some of the test's files are validation images, wherever a copy of them lies."""
    val = (cfg.get('val_dataloader') or {}).get('dataset')
    if not val:
        return False
    parts = [part for _, part in data_set_configs('val', val)]
    try:
        built = [DATASETS.build(_unread(part)) for part in parts]
    except (UsageError, OSError):
        # moved away: all that is left is how it was cut
        test = [part for _, part in data_set_configs('test', cfg.test_dataloader.dataset)]
        return [_cut(part) for part in parts] == [_cut(part) for part in test]
    chosen_on = {Path(path).name: Path(path) for part in built for path in image_paths(part)}
    return any(
        file.name in chosen_on and file.read_bytes() == chosen_on[file.name].read_bytes()
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


class ClassifierResult:
    """A finished classification run, scored again: its best checkpoint on its config's test part.

    Args:
        run (RunFolder): The run.
        cfg (mmengine.Config): Its config.

    Attributes:
        report (dict): What ``ClassificationReport`` computes.
        fingerprint (str): Of image names, labels and classes; runs with the same one can be compared.
        cost (ModelCost): Parameters, operations and speed.

    Raises:
        UsageError: If data or checkpoint are not there or do not fit.
    """

    def __init__(self, run: RunFolder, cfg: Config) -> None:
        from mmengine.device import get_device

        init_default_scope(cfg.default_scope)
        # imported here: a report on segmentors never needs mmpretrain
        from custom_modules.evaluation.classification_report import ClassificationReport

        self.run = run
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
        self.report = metric.report(scores, labels)
        names = [Path(sample.img_path).name for sample in samples]
        content = repr((names, labels.tolist(), loader.dataset.metainfo.get('classes')))
        self.fingerprint = hashlib.sha256(content.encode()).hexdigest()[:16]
        self.test_set = f'{len(labels)} images of {scores.shape[1]} classes'
        inputs = model.data_preprocessor(next(iter(loader)), False)['inputs']
        self.cost = ModelCost.of(model, tuple(inputs.shape[2:]))
