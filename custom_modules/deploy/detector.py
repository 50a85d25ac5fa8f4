"""The detector as a Python class: a picture in; mask, probabilities and rocks out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from custom_modules.deploy.rocks import Rock, find_rocks
from custom_modules.deploy.tiling import Strips, in_steps, labels_of, map_of_tiles
from custom_modules.evaluation.exported import OnnxModel
from custom_modules.utils.errors import UsageError
from custom_modules.utils.files import REPOSITORY
from custom_modules.utils.images import as_rgb, read_image, shrunk

LONGEST = 4096  # pixels of the longer side of an overlay
# the best published detector, which is the default
BEST_CONFIG = REPOSITORY / 'configs' / 'rock_detector.py'
BEST_CHECKPOINT = REPOSITORY / 'checkpoints' / 'rock_detector.pth'


class Mirrored:
    """A segmentor with test-time augmentation: it averages over the image and its mirror image."""

    def __init__(self, model) -> None:
        self._model = model
        self.card = model.card

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Predict a batch, as ``OnnxModel`` does."""
        return (self._model(images) + self._model(images[:, :, ::-1])[..., ::-1]) / 2


def load_predictor(
    model: str | Path | None = None,
    checkpoint: str | Path | None = None,
    device: str | None = None,
    amp: bool = False,
    threads: int | None = None,
):
    """Load an exported file alone (``OnnxModel``), or a config with its checkpoint (``TorchModel``); both are called alike.

    Raises a UsageError if the arguments do not go together, or one cannot be used.

    Args:
        model (str | Path, optional): A file ending in ``.onnx``, or a config. Defaults to the best published detector.
        checkpoint (str | Path, optional): The config's weights.
        device (str, optional): ``'cpu'``, ``'cuda'``, ... Defaults to the fastest available (an .onnx file: the CPU).
        amp (bool): Whether a checkpoint computes in bfloat16. Defaults to False.
        threads (int, optional): Threads of the network. Defaults to the library's choice.
    """
    if model is None:
        model, checkpoint = BEST_CONFIG, BEST_CHECKPOINT
    if Path(model).suffix.lower() == '.onnx':
        if checkpoint is not None:
            raise UsageError(f'{model} holds its weights: leave {checkpoint} out.')
        if amp:
            raise UsageError('--amp is for a checkpoint: an .onnx file computes as it was exported.')
        return OnnxModel(model, device or 'cpu', threads)
    if checkpoint is None:
        raise UsageError(f'{model} needs a checkpoint: give CONFIG CHECKPOINT, or an .onnx file of tools/export.py.')
    from custom_modules.deploy.torch_model import TorchModel

    return TorchModel(model, checkpoint, device, amp, threads)


class Detection(NamedTuple):
    """What was found in a picture, at its full size."""

    mask: np.ndarray  # class indices (H, W), uint8; 0 is the background
    probability: np.ndarray  # of rock (H, W), of several classes (K, H, W); float32
    rocks: list[Rock]  # the connected areas of the mask


@dataclass(frozen=True)
class Picture:
    """A picture as an overlay shows it, and as the network sees it: RGB (H, W, 3), uint8."""

    size: tuple[int, int]  # width and height of the file
    image: np.ndarray  # for the overlay, at most LONGEST pixels long: of a mosaic only this stays in memory
    seen: np.ndarray | None  # of the model's size, or at the scale of the windows; None once predicted


class RockDetector:
    """Finds rocks in pictures of any size. Safe to be called from several threads.

    Args:
        model (str | Path, optional): An ``.onnx`` file of ``tools/export.py`` (then neither torch nor mmseg is
            imported), or a config. Defaults to the best published detector.
        checkpoint (str | Path, optional): The config's weights.
        mode (str): ``'whole'`` (default) predicts the picture at once, resized to the size of training; ``'tile'`` in
            overlapping windows of that size, which finds smaller rocks.
        scale (float, optional): For ``'tile'``: factor by which the picture is resized first. By default the shorter
            side becomes one window long.
        overlap (float): For ``'tile'``: least share of a window that its neighbour covers too. Defaults to 0.25.
        threshold (float, optional): Probability above which a pixel is rock. Defaults to the model's own.
        tta (bool): Whether to average with the mirror image, at twice the time. Defaults to False.
        batch_size (int): Windows in one call of the network. Defaults to 16.
        calls (int): On a CPU, how many batches :func:`predict_pictures` predicts at the same time: for many pictures several
            calls of one thread are faster than one of several threads. Defaults to 1.
        **options: ``device``, ``amp`` and ``threads`` (of each call) of :func:`load_predictor`.

    Attributes:
        model (OnnxModel | TorchModel | Mirrored): The network.
        card (ModelCard): Its classes, palette, threshold and size.

    Raises:
        UsageError: If the model cannot be used, is a classifier, or an argument does not fit it.

    Example:
        >>> import numpy as np
        >>> from custom_modules.deploy import RockDetector
        >>> detector = RockDetector()
        >>> mask, probability, rocks = detector(np.full((90, 120, 3), 128, np.uint8))
        >>> mask.shape, probability.shape, len(rocks)
        ((90, 120), (90, 120), 0)
    """

    def __init__(
        self,
        model: str | Path | None = None,
        checkpoint: str | Path | None = None,
        mode: str = 'whole',
        scale: float | None = None,
        overlap: float = 0.25,
        threshold: float | None = None,
        tta: bool = False,
        batch_size: int = 16,
        calls: int = 1,
        **options,
    ) -> None:
        if mode not in ('whole', 'tile'):
            raise UsageError(f"the mode is 'whole' or 'tile', got {mode!r}.")
        if scale is not None and (mode != 'tile' or not scale > 0):
            raise UsageError(f"a scale is a number above 0 and belongs to mode 'tile', got {scale}.")
        if not 0 <= overlap < 1:
            raise UsageError(f'the overlap is a share from 0 to below 1, got {overlap}.')
        if threshold is not None and not 0 <= threshold <= 1:
            raise UsageError(f'the threshold is a probability from 0 to 1, got {threshold}.')
        loaded = load_predictor(model, checkpoint, **options)
        self.card = loaded.card
        if self.card.task != 'segmentation':
            raise UsageError(f'{model} is a classifier, which finds no rocks: choose a segmentor.')
        if threshold is not None and self.card.threshold is None:
            raise UsageError(f'a threshold is for one channel, but {model} has {len(self.card.classes)} classes: leave it out.')
        self.threshold = self.card.threshold if threshold is None else threshold
        self.mode, self.scale, self.overlap, self.batch_size = mode, scale, overlap, batch_size
        self.calls = calls if str(loaded.device) == 'cpu' else 1
        self.model = Mirrored(loaded) if tta else loaded

    def __call__(self, picture: np.ndarray | str | Path) -> Detection:
        """Find the rocks in a picture: a file of any format that Pillow reads, or RGB (H, W, 3) or grey (H, W), uint8 or uint16.

        Raises a UsageError if it cannot be read, or is no such array.
        """
        picture = self.prepare(picture)
        (prob_map,) = self.maps([picture])
        labels, rocks = self.finish(prob_map, picture.size)
        probability = np.concatenate([part for _, part in Strips(prob_map, picture.size)], axis=1)
        return Detection(labels, probability[0] if len(probability) == 1 else probability, rocks)

    def prepare(self, picture: np.ndarray | str | Path) -> Picture:
        """Read a picture, given as to a call, and resize it for the network."""
        image = as_rgb(picture) if isinstance(picture, np.ndarray) else read_image(picture)
        size = self.card.size
        if self.mode == 'tile':
            # on none of the sets that were measured was a larger scale better
            scale = self.scale or min(size) / min(image.shape[:2])
            size = tuple(max(1, round(scale * side)) for side in image.shape[1::-1])
        return Picture(image.shape[1::-1], shrunk(image, LONGEST), resized(image, size))

    def maps(self, pictures: Sequence[Picture]) -> list[np.ndarray]:
        """Predict prepared pictures: of each the map of probabilities (K, h, w) in steps of 1/65535, uint16."""
        seen = [picture.seen for picture in pictures]
        if self.mode == 'whole':
            return list(in_steps(self.model(np.stack(seen))))
        return [map_of_tiles(self.model, one, self.overlap, self.batch_size) for one in seen]

    def finish(self, prob_map: np.ndarray, size: tuple[int, int], tolerance: float = 1.0) -> tuple[np.ndarray, list[Rock]]:
        """Decide each pixel's class (H, W), uint8, from a map of :meth:`maps`, and list the rocks.

        ``size`` is the picture's width and height, ``tolerance`` how far an outline may be off, in pixels.
        """
        labels = labels_of(strips := Strips(prob_map, size), self.threshold)
        return labels, find_rocks(labels, strips, self.card.classes, tolerance)


def resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a picture to (width, height) by area, as training does."""
    return image if image.shape[1::-1] == tuple(size) else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
