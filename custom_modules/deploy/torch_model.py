"""A config with its checkpoint, called like an exported file: pixels in, probabilities out."""

import copy
import hashlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from mmcv.cnn import fuse_conv_bn
from mmengine.device import get_device

from custom_modules.datasets.masks import class_palette
from custom_modules.engine.config import load_config
from custom_modules.engine.weights import configured_classes, load_model
from custom_modules.evaluation.exported import ModelCard
from custom_modules.utils.errors import UsageError, first_line


class PixelsToProbabilities(nn.Module):
    """A network of mmseg (``EncoderDecoder``) or mmpretrain (``ImageClassifier``), in eval mode, from pixels to probabilities.

    It normalises, resizes the logits to the input's size and ends in sigmoid or softmax. A data preprocessor that pads in testing,
    which an exported file would not, is refused with a UsageError.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.segments = hasattr(model, 'decode_head')
        preprocessor = model.data_preprocessor
        if getattr(preprocessor, 'test_cfg', None):
            raise UsageError(f'the data preprocessor pads in testing (test_cfg={preprocessor.test_cfg}): leave its test_cfg out.')
        if self.segments and (model.test_cfg or {}).get('mode') == 'slide':
            raise UsageError(
                "the model tests in windows (test_cfg mode='slide'): set mode='whole' in the config, and predict with --mode tile."
            )
        # mmpretrain's and mmseg's attribute; data sets load BGR
        converts = getattr(preprocessor, '_channel_conversion', False)
        self.takes_bgr = not getattr(preprocessor, 'to_rgb', converts)
        normalises = getattr(preprocessor, '_enable_normalize', False)
        for name, default in (('mean', torch.zeros(3)), ('std', torch.ones(3))):
            values = getattr(preprocessor, name) if normalises else default
            self.register_buffer(name, values.detach().clone().view(1, -1, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Predict RGB images (N, H, W, 3), uint8, in float32: (N, H, W) of one channel, else (N, K, H, W), of a classifier (N, K)."""
        pixels = images.permute(0, 3, 1, 2).float()
        if self.takes_bgr:
            pixels = pixels.flip(1)
        pixels = (pixels - self.mean) / self.std
        logits = self.model(pixels, mode='tensor').float()
        if not self.segments:
            return logits.softmax(1)
        if logits.shape[2:] != pixels.shape[2:]:
            logits = F.interpolate(logits, pixels.shape[2:], mode='bilinear', align_corners=self.model.align_corners)
        return logits.sigmoid().squeeze(1) if self.model.out_channels == 1 else logits.softmax(1)


class TorchModel:
    """A segmentor's or classifier's config with its checkpoint, batch norms folded into convolutions. Safe to be called from several threads.

    The arguments are those of :func:`custom_modules.deploy.detector.load_predictor`; ``threads`` are torch's in this process.
    Raises a UsageError if the config, the checkpoint or the device cannot be used.
    """

    def __init__(
        self, config: str | Path, checkpoint: str | Path, device: str | None = None, amp: bool = False, threads: int | None = None
    ) -> None:
        if threads:
            torch.set_num_threads(threads)
        self.config = load_config(config)
        model = load_model(self.config, checkpoint)
        self.network = PixelsToProbabilities(model).eval()
        self.card = _card(self.config, model, Path(config), Path(checkpoint))
        try:
            self.device = torch.device(device or get_device())
            self.network.to(self.device, memory_format=torch.channels_last)
        except (RuntimeError, AssertionError) as error:
            raise UsageError(f'device {device!r} cannot be used ({first_line(error)}): choose --device cpu.') from error
        self.amp = False
        noise = np.random.default_rng(0).integers(0, 256, (1, *self.card.size[::-1], 3), dtype=np.uint8)
        expected, unfolded = self(noise), self.network
        with suppress(TypeError):  # a norm without weights
            self.network = fuse_conv_bn(copy.deepcopy(unfolded))
        # mmcv goes by the order in which layers are named; a first call folds frozen stages, while no other thread may call
        if not np.allclose(self(noise), expected, atol=1e-4):
            self.network = unfolded
        self.amp = amp

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Predict a batch, as ``OnnxModel`` does."""
        pixels = torch.from_numpy(np.ascontiguousarray(images)).to(self.device)
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp):
            found = self.network(pixels).float().cpu().numpy()
        return found[:, None] if found.ndim == 3 else found


def _card(cfg, model: nn.Module, config: Path, checkpoint: Path) -> ModelCard:
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    # a published checkpoint has its licence in a table of the Markdown file beside it
    text = checkpoint.with_suffix('.md')
    lines = text.read_text(encoding='utf-8').splitlines() if text.is_file() else []
    rows = [line.strip('| ').split(' | ', 1) for line in lines if line.startswith('| Licence')]
    licence = rows[0][1] if rows and len(rows[0]) == 2 else ''
    dataset = cfg.test_dataloader.dataset
    if hasattr(model, 'decode_head'):
        classes, palette = configured_classes(dataset, 'mmseg').values()
        threshold = model.decode_head.threshold if model.out_channels == 1 else None
        if dataset.get('load_size') is None:
            raise UsageError(
                f'{config} does not say at which size its model looks at images: set load_size in its test_dataloader.dataset.'
            )
        task, size = 'segmentation', dataset.load_size
    else:
        count = model.head.num_classes
        classes = dataset.get('wnids') or [str(index) for index in range(count)]
        palette = class_palette(count)
        task, threshold = 'classification', None
        size = next((step.scale for step in dataset.pipeline if step.type == 'Resize'), (128, 128))
    source, colours = f'{config.stem} {digest}', tuple(map(tuple, palette))
    return ModelCard(task, tuple(classes), colours, threshold, tuple(size), licence, source)
