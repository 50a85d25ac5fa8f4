import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.registry import DATASETS

from custom_modules.analysis.chosen_images import image_paths
from custom_modules.engine.nested_configs import data_set_configs, type_name
from custom_modules.evaluation.checkpoint_predictions import CheckpointPredictions
from custom_modules.evaluation.confusion_scores import ConfusionScores
from custom_modules.usage_error import UsageError

from .model_cost import ModelCost
from .run_folder import RunFolder


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
    return {
        key: dataset.get(key)
        for key in ('type', 'split', 'val_fraction', 'test_fraction', 'ann_file', 'data_prefix')
    }


def shown_indices(count: int, shown: int) -> Collection[int]:
    """Choose indices evenly spaced over a set, its first and last included."""
    return {round(index) for index in np.linspace(0, count - 1, min(shown, count))}
