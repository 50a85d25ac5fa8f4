"""An exported model: what the file says of itself, and what it says of pictures; without torch."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from custom_modules.utils.errors import UsageError


@dataclass(frozen=True)
class ModelCard:
    """What has to be known of a model to use it; an exported file holds it as its metadata.

    Args:
        task (str): ``'segmentation'`` or ``'classification'``.
        classes (tuple[str]): Names of the classes, of a segmentor the background first.
        palette (tuple[tuple[int]]): RGB of each class.
        threshold (float, optional): Above which probability the one channel says rock; None for several channels.
        size (tuple[int, int]): Width and height that the model was trained at.
        licence, source (str): Of the weights; the config's name and the checkpoint's SHA-256. Default to nothing.
    """

    task: str
    classes: tuple[str, ...]
    palette: tuple[tuple[int, ...], ...]
    threshold: float | None
    size: tuple[int, int]
    licence: str = ''
    source: str = ''

    def as_metadata(self) -> dict[str, str]:
        """Write it as ONNX metadata: a JSON value under each field's name."""
        return {name: json.dumps(value) for name, value in vars(self).items()}

    @classmethod
    def from_metadata(cls, metadata: dict[str, str]) -> 'ModelCard':
        """Read it from ONNX metadata; a field that is missing is a KeyError, a value that is no JSON a ValueError."""
        values = {name: json.loads(metadata[name]) for name in cls.__dataclass_fields__}
        values['palette'] = tuple(map(tuple, values['palette']))
        return cls(**values | {name: tuple(values[name]) for name in ('classes', 'size')})

    def labels(self, probabilities: np.ndarray) -> np.ndarray:
        """Decide the classes of a batch (N, H, W), or of a classifier (N,), uint8, by probabilities (N, K, H, W) or (N, K)."""
        if self.threshold is not None:
            return (probabilities[:, 0] > self.threshold).astype(np.uint8)
        return probabilities.argmax(axis=1).astype(np.uint8)


class OnnxModel:
    """An exported file, run by onnxruntime. Safe to be called from several threads.

    Args:
        file (str | Path | bytes): A file of ``tools/export.py``, or its content.
        device (str): ``'cpu'`` (default) or ``'cuda'``, which takes onnxruntime-gpu.
        threads (int, optional): Threads of one call. Defaults to onnxruntime's choice, all cores.

    Attributes:
        card (ModelCard): What the file says of itself.
        device (str): Where it computes.

    Raises:
        UsageError: If it is no such file, or onnxruntime or the device is missing.
    """

    def __init__(self, file: str | Path | bytes, device: str = 'cpu', threads: int | None = None) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise UsageError('an .onnx file needs onnxruntime: pip install -r requirements/export.txt.') from error
        loaded = isinstance(file, bytes)
        if not loaded and not Path(file).is_file():
            raise UsageError(f'there is no model {file}: write one with tools/export.py.')
        provider = {'cpu': 'CPUExecutionProvider', 'cuda': 'CUDAExecutionProvider'}.get(device)
        if provider not in onnxruntime.get_available_providers():
            raise UsageError(
                f'onnxruntime cannot use the device {device!r} here: choose --device cpu, or install onnxruntime-gpu.'
            )
        self.device, options = device, onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        # its warnings are about nodes that it leaves as they are
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(file if loaded else str(file), options, [provider])
            self.card = ModelCard.from_metadata(self._session.get_modelmeta().custom_metadata_map)
        # onnxruntime's own errors have no common class
        except Exception as error:
            raise UsageError(
                f'{"this" if loaded else file} is no model that tools/export.py wrote ({str(error).splitlines()[0]}): export it again.'
            ) from error

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Predict a batch of RGB images (N, H, W, 3), uint8: float32 probabilities, of a classifier (N, K), of a segmentor (N, K, H, W).

        With one channel, K = 1, they are those of rock.
        """
        taken = self._session.get_inputs()[0].shape[1:]
        # of a free side only the name is known
        if any(isinstance(a, int) and a != b for a, b in zip(taken, images.shape[1:], strict=True)):
            raise UsageError(
                f'the model takes pictures of {taken[1]}x{taken[0]} pixels, got {images.shape[2]}x{images.shape[1]}: resize '
                'them, or export it with --dynamic.'
            )
        (found,) = self._session.run(None, dict(images=np.ascontiguousarray(images)))
        return found[:, None] if found.ndim == 3 else found
