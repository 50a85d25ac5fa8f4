"""Exported models, run without torch: their metadata and their predictions."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from custom_modules.utils.errors import UsageError, first_line
from custom_modules.utils.machine import available_cores


@dataclass(frozen=True)
class ModelCard:
    """What is needed to use a model; an exported file has it as metadata."""

    task: str  # 'segmentation' or 'classification'
    classes: tuple[str, ...]  # names, of a segmentor the background first
    palette: tuple[tuple[int, ...], ...]  # RGB of each class
    threshold: float | None  # probability of the one channel above which a pixel is class 1; None for several channels
    size: tuple[int, int]  # width and height of the training images
    licence: str = ''  # of the weights
    source: str = ''  # the config's name and the checkpoint's SHA-256

    def as_metadata(self) -> dict[str, str]:
        """Return ONNX metadata, with each field as JSON."""
        return {name: json.dumps(value) for name, value in vars(self).items()}

    @classmethod
    def from_metadata(cls, metadata: dict[str, str]) -> 'ModelCard':
        """Read it from ONNX metadata; raises a KeyError for a missing field, a ValueError for one that is not JSON."""
        values = {name: json.loads(metadata[name]) for name in cls.__dataclass_fields__}
        values['palette'] = tuple(map(tuple, values['palette']))
        values['classes'], values['size'] = tuple(values['classes']), tuple(values['size'])
        return cls(**values)

    def labels(self, probabilities: np.ndarray) -> np.ndarray:
        """Turn probabilities (N, K, H, W), of a classifier (N, K), into class indices (N, H, W) or (N,), uint8."""
        if self.threshold is not None:
            return (probabilities[:, 0] > self.threshold).astype(np.uint8)
        return probabilities.argmax(axis=1).astype(np.uint8)


class OnnxModel:
    """An exported file, run by onnxruntime; thread-safe.

    Args:
        file (str | Path | bytes): A file of ``tools/export.py``, or its content.
        device (str): ``'cpu'`` (default) or ``'cuda'``, which needs onnxruntime-gpu.
        threads (int, optional): Threads of one call. Defaults to all cores that this process may use.

    Attributes:
        card (ModelCard), device (str): The file's metadata, and what it computes on.

    Raises:
        UsageError: If it is no such file, or onnxruntime or the device is missing.
    """

    def __init__(self, file: str | Path | bytes, device: str = 'cpu', threads: int | None = None) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise UsageError('an .onnx file needs onnxruntime: pip install -r requirements/export.txt.') from error
        is_content = isinstance(file, bytes)
        if not is_content and not Path(file).is_file():
            raise UsageError(f'there is no model {file}: write one with tools/export.py.')
        provider = {'cpu': 'CPUExecutionProvider', 'cuda': 'CUDAExecutionProvider'}.get(device)
        if provider not in onnxruntime.get_available_providers():
            raise UsageError(
                f'onnxruntime cannot use the device {device!r} here: choose --device cpu, or install onnxruntime-gpu.'
            )
        self.device, options = device, onnxruntime.SessionOptions()
        # with 0 onnxruntime chooses, and ignores the limit of a container or a cluster's job
        limited = available_cores() < (os.cpu_count() or 1)
        options.intra_op_num_threads = threads or (available_cores() if limited else 0)
        # no warnings, which are about nodes that it does not optimize
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(file if is_content else str(file), options, [provider])
            self.card = ModelCard.from_metadata(self._session.get_modelmeta().custom_metadata_map)
        # onnxruntime's own errors have no common class
        except Exception as error:
            raise UsageError(
                f'{"this" if is_content else file} is no model that tools/export.py wrote ({first_line(error)}): export it again.'
            ) from error

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Predict RGB images (N, H, W, 3), uint8: float32 probabilities (N, K, H, W), of a classifier (N, K).

        With one channel, K = 1, they are those of rock.
        """
        expected = self._session.get_inputs()[0].shape[1:]
        # a dynamic side has a name instead of a number
        if any(isinstance(a, int) and a != b for a, b in zip(expected, images.shape[1:], strict=True)):
            raise UsageError(
                f'the model takes pictures of {expected[1]}x{expected[0]} pixels, got {images.shape[2]}x{images.shape[1]}: resize '
                'them, or export it with --dynamic.'
            )
        try:
            (found,) = self._session.run(None, dict(images=np.ascontiguousarray(images)))
        except Exception as error:
            raise UsageError(
                f'the model cannot be computed for pictures of {images.shape[2]}x{images.shape[1]} ({first_line(error)}): choose '
                'another size, or export it without --dynamic.'
            ) from error
        return found[:, None] if found.ndim == 3 else found
