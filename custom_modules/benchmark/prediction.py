"""Contestants that predict: the network alone, and from the files of a validation set to masks of their sizes in memory."""

import itertools
import os
import shutil
from abc import abstractmethod
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, MODELS

from custom_modules.deploy.detector import RockDetector
from custom_modules.deploy.predict import predicted
from custom_modules.engine.config import without_cache
from custom_modules.engine.devices import mixed_precision_pays
from custom_modules.engine.weights import load_model
from custom_modules.evaluation.exported import OnnxModel
from custom_modules.evaluation.predictions import image_paths
from custom_modules.utils.images import Source
from custom_modules.utils.machine import peak_memory

from .configs import stock_config
from .measuring import Contestant, synchronized_time
from .training import class_indices, smp_unet


class PredictionContestant(Contestant):
    """A config's network, with random weights if ``weights`` is None, which is as fast.

    Each round predicts about ``images`` images, in whole batches, for each batch size of ``batches``.
    """

    batches, images, layout = (1, 16), 64, torch.channels_last

    def __init__(self, name: str, cfg: Config, size, weights: str | None, title: str = '', precision='float32') -> None:
        super().__init__(name, cfg, size, title)
        self.precision, self.weights = precision, weights

    def _build(self, cfg: Config) -> None:
        self.paths = image_paths(DATASETS.build(without_cache(cfg.val_dataloader.dataset)))
        with TemporaryDirectory() as folder:
            config, weights = f'{folder}/config.py', self.weights or f'{folder}/random.pth'
            cfg.dump(config)
            if not self.weights:
                torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict()), weights)
            self._load(cfg, config, weights)

    @abstractmethod
    def _load(self, cfg: Config, config: str, weights: str) -> None:
        """Load ``model`` from a config, which is also in the file ``config``, and a file of weights."""

    @torch.inference_mode()
    def measure(self) -> dict:
        """Predict with every batch size; ``seconds`` are those of a batch."""
        seconds, images = {}, {}
        for batch in self.batches:
            count = -(-self.images // batch)
            files = list(itertools.islice(itertools.cycle(self.paths), count * batch))
            inputs, begin = self._inputs(batch), synchronized_time()
            for _ in range(count):
                self._network(inputs)
            middle = synchronized_time()
            self._masks(files, batch)
            for what, took in (('network', middle - begin), ('files', synchronized_time() - middle)):
                seconds[f'{what}_{batch}'], images[f'{what}_{batch}'] = took / count, batch
        return dict(seconds=seconds, images=images, memory_mib=peak_memory())

    def _inputs(self, batch: int) -> torch.Tensor | np.ndarray:
        return torch.randn(batch, 3, *self.size, device=self.device).to(memory_format=self.layout)

    def _network(self, inputs) -> None:
        self.model(inputs, **self.call)

    @abstractmethod
    def _masks(self, files: list[str], batch: int) -> list:
        """Predict the classes of files, ``batch`` at a time: (H, W) in each file's own size, except for tensors in memory."""


class ToolPrediction(PredictionContestant):
    """The config as tools/predict.py predicts, its batch norms folded, without writing.

    Each thread reads, resizes, predicts and lists the rocks of a batch.
    """

    def _load(self, cfg: Config, config: str, weights: str) -> None:
        threads, amp = torch.get_num_threads(), self.precision == 'bfloat16'
        self.detector = RockDetector(config, weights, amp=amp, calls=threads)
        self.network = self.detector.model.network.model
        self.model = MODELS.build(cfg.model).to(self.device)  # only to count: the network's batch norms are folded

    def _network(self, inputs) -> None:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == 'bfloat16'):
            self.network(inputs, **self.call)

    def _masks(self, files: list[str], batch: int) -> list:
        threads = torch.get_num_threads()
        torch.set_num_threads(threads // self.detector.calls)
        self.detector.batch_size, skipped = batch, []
        sources = [Source(Path(file), str(number)) for number, file in enumerate(files)]
        # one worker more than calls of the network, as in the tool; but a contestant of one thread must not use a second core
        masks = list(predicted(self.detector, sources, self, threads + (threads > 1), skipped))
        torch.set_num_threads(threads)
        if skipped:
            raise RuntimeError(f'files were skipped: {skipped}')
        return masks

    def add(self, source: Source, picture, found: np.ndarray) -> np.ndarray:
        """Compute the classes of a picture and list its rocks; the tool also writes them here."""
        return self.detector.finish(found, picture.size)[0]


class CompiledPrediction(ToolPrediction):
    """The same by torch.compile, for each batch size anew."""

    def _load(self, cfg: Config, config: str, weights: str) -> None:
        super()._load(cfg, config, weights)
        for part in (self.network.backbone, self.network.decode_head):
            part.compile(dynamic=False)


class ExportedPrediction(ToolPrediction):
    """An exported file by onnxruntime, whose network takes pixels and gives probabilities."""

    def _load(self, cfg: Config, config: str, weights: str) -> None:
        threads = torch.get_num_threads()
        self.detector = RockDetector(weights, calls=threads, threads=1)
        self.network = OnnxModel(weights, threads=threads)
        self.model = MODELS.build(cfg.model)  # only to count its parameters and operations

    def _inputs(self, batch: int) -> np.ndarray:
        return np.random.default_rng(0).integers(0, 256, (batch, *self.size, 3), dtype=np.uint8)

    def _network(self, inputs) -> None:
        self.network(inputs)


class StockPrediction(PredictionContestant):
    """The same network at the same size by mmseg's MMSegInferencer, without writing."""

    layout = torch.contiguous_format

    def _load(self, cfg: Config, config: str, weights: str) -> None:
        from mmseg.apis import MMSegInferencer

        cfg.test_dataloader = cfg.val_dataloader
        self.inferencer = MMSegInferencer(cfg, weights, show_progress=False)
        self.model = self.inferencer.model

    def _masks(self, files: list[str], batch: int) -> list:
        return self.inferencer(files, batch_size=batch)['predictions']


class BarePrediction(PredictionContestant):
    """The same network from tensors in memory to class indices on the device."""

    def _load(self, cfg: Config, config: str, weights: str) -> None:
        self.model = load_model(cfg, weights).to(self.device, memory_format=self.layout)
        samples = DATASETS.build(without_cache(cfg.val_dataloader.dataset))
        read = pseudo_collate([samples[row] for row in range(len(samples))])
        self.tensors = self.model.data_preprocessor(read, False)['inputs'].permute(0, 2, 3, 1).contiguous()

    def _masks(self, files: list[str], batch: int) -> list:
        rows = torch.arange(len(files), device=self.device) % len(self.tensors)
        return [class_indices(self.model, self.tensors[part].permute(0, 3, 1, 2)) for part in rows.split(batch)]


class SmpPrediction(PredictionContestant):
    """The U-Net on MobileNetV3 of segmentation-models-pytorch, smaller, in a plain loop, without writing."""

    layout, call = torch.contiguous_format, {}

    def _load(self, cfg: Config, config: str, weights: str) -> None:
        self.model = smp_unet(cfg).to(self.device).eval()
        self.normalise = MODELS.build(cfg.model.data_preprocessor)

    def _masks(self, files: list[str], batch: int) -> list:
        found = []
        for start in range(0, len(files), batch):
            pictures = [cv2.imread(file) for file in files[start : start + batch]]
            small = (torch.from_numpy(cv2.resize(one, self.size[::-1])) for one in pictures)
            inputs = self.normalise(dict(inputs=[one.permute(2, 0, 1) for one in small]), False)
            masks = class_indices(self.model, inputs['inputs'].to(self.device)).byte().cpu().numpy()
            for mask, picture in zip(masks, pictures, strict=True):
                found.append(cv2.resize(mask, picture.shape[1::-1], interpolation=cv2.INTER_NEAREST))
        return found


def prediction_contestants(
    cfg: Config, size, weights: Sequence[str], batches: Sequence[int], images: int, threads: int
) -> list[Contestant]:
    """List the contestants of a prediction, first the config itself, with so many images a round for each batch size.

    ``weights`` are its checkpoint, if any, and ``.onnx`` files. With such files, forms of the same network are compared: plain,
    compiled, each file, and the checkpoint in mmseg's inferencer, with all threads and with one.
    """
    files = [file for file in weights if Path(file).suffix == '.onnx']
    checkpoint = next((file for file in weights if file not in files), None)
    stock_cfg = stock_config(cfg, size, 0, 'float32')
    # emulated, bfloat16 takes ten times as long
    precisions = [('', 'float32'), (' --amp', 'bfloat16')][: 1 + mixed_precision_pays()]
    found = []
    if not files:
        for flag, precision in precisions:
            found.append(ToolPrediction(f'project{flag}', cfg, size, checkpoint, precision=precision))
        found.append(StockPrediction('stock', stock_cfg, size, checkpoint))
        found.append(BarePrediction('bare loop', cfg, size, checkpoint))
        if find_spec('segmentation_models_pytorch'):
            found.append(SmpPrediction('smp', stock_cfg, size, None))
    else:
        for count in dict.fromkeys((threads, 1)):
            forms = [ToolPrediction(f'PyTorch{flag}', cfg, size, checkpoint, precision=name) for flag, name in precisions]
            if shutil.which(os.environ.get('CXX', 'g++')):
                forms.append(CompiledPrediction('compiled', cfg, size, checkpoint))
            for file in files:
                title = f'exported, {Path(file).stat().st_size / 2**20:.1f} MiB'
                forms.append(ExportedPrediction(Path(file).name, cfg, size, file, title, 'as exported'))
            forms.append(StockPrediction('MMSegInferencer', stock_cfg, size, checkpoint))
            for one in forms:
                one.name, one.threads = f'{one.name}, {count} thread{"s" if count > 1 else ""}', count
            found += forms
    for one in found:
        one.batches, one.images = tuple(batches), images
    return found
