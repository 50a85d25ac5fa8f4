"""Who predicts: the network alone, and from the files of a validation set to class indices."""

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, MODELS
from torch import Tensor
from torch.utils.benchmark import Timer

from custom_modules.engine.config import without_cache
from custom_modules.engine.weights import load_model
from custom_modules.evaluation.exported import OnnxModel

from .measuring import model_facts, peak_memory
from .training import ConfigContestant, SmpTraining, class_indices, resized, tensors_in_memory


class ConfigPrediction(ConfigContestant):
    """A config's model, this project's or a stock one, in float32; files are read, so without a cache.

    Without a checkpoint its weights are random, which is as fast. Each round predicts so many ``images``, in whole batches,
    for each batch size of ``batches``.
    """

    layout, batches, images = torch.contiguous_format, (1, 16), 64

    def __init__(self, name, title, cfg: Config, size, checkpoint: str | None = None) -> None:
        super().__init__(name, title, cfg, size)
        self.precision, self.checkpoint = 'float32', checkpoint

    def build(self) -> dict:
        """Build model and data set."""
        cfg, weights = self.begin(), self.checkpoint
        self.model = load_model(cfg, weights) if weights else MODELS.build(cfg.model)
        hook = cfg.default_hooks.get('channels_last') or {}
        if hook and hook.get('enabled', True):
            self.layout = torch.channels_last
        self.model.to(self.device, memory_format=self.layout).eval()
        dataset = without_cache(cfg.val_dataloader.dataset)
        self.dataset = DATASETS.build(dict(dataset, test_mode=True))
        return model_facts(self.model, self.size, mode='tensor')

    def measure(self, split: bool) -> dict:
        """Predict in every batch size; ``seconds`` are those of a batch."""
        seconds, images = {}, {}
        for batch in self.batches:
            rows = itertools.cycle(range(len(self.dataset)))
            for what, arguments in (
                ('network', itertools.repeat(self.inputs(batch))),
                ('files', ([next(rows) for _ in range(batch)] for _ in itertools.count())),
            ):
                names = dict(call=getattr(self, what), arguments=arguments)
                # torch's own waits for a GPU; by itself it would take one thread
                threads = torch.get_num_threads()
                timer = Timer('call(next(arguments))', globals=names, num_threads=threads)
                with torch.inference_mode():
                    seconds[f'{what}_{batch}'] = timer.timeit(-(-self.images // batch)).mean
                images[f'{what}_{batch}'] = batch
        return dict(seconds=seconds, images=images, memory_mib=peak_memory())

    def inputs(self, batch: int) -> Tensor:
        """Make a normalised batch on the device."""
        inputs = torch.randn(batch, 3, *self.size, device=self.device)
        return inputs.to(memory_format=self.layout)

    def network(self, inputs: Tensor) -> Tensor:
        """Compute logits."""
        return self.model(inputs, mode='tensor')

    def files(self, rows: list[int]) -> Sequence[Tensor]:
        """Read some images and predict each pixel's class."""
        batch = pseudo_collate([self.dataset[row] for row in rows])
        return [sample.pred_sem_seg.data.cpu() for sample in self.model.test_step(batch)]


class CompiledPrediction(ConfigPrediction):
    """The same by ``torch.compile``, for each batch size anew."""

    def build(self) -> dict:
        """Build model and data set."""
        facts = super().build()
        for part in (self.model.backbone, self.model.decode_head):
            part.compile(dynamic=False)
        return facts


class ExportedPrediction(ConfigPrediction):
    """An exported file by onnxruntime, whose network takes pixels and gives probabilities."""

    def __init__(self, name, title, cfg: Config, size, file: str) -> None:
        super().__init__(name, title, cfg, size)
        self.precision, self.file = 'as exported', file

    def build(self) -> dict:
        """Build model and data set."""
        facts = super().build()
        self.exported = OnnxModel(self.file, threads=torch.get_num_threads())
        return facts | dict(device='cpu')

    def inputs(self, batch: int) -> np.ndarray:
        """Make a batch of pixels."""
        shape = batch, *self.size, 3
        return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)

    def network(self, inputs: np.ndarray) -> np.ndarray:
        """Compute probabilities."""
        return self.exported(inputs)

    def files(self, rows: list[int]) -> np.ndarray:
        """Read some images and predict each pixel's class."""
        images = torch.stack([self.dataset[row]['inputs'] for row in rows])
        return self.exported.card.labels(self.exported(images.permute(0, 2, 3, 1).flip(-1).numpy()))


class BarePrediction(ConfigPrediction):
    """The limit: a config's network, channels-last, from normalised tensors in memory to class indices on the device."""

    def build(self) -> dict:
        """Build model and tensors."""
        facts, self.layout = super().build(), torch.channels_last
        self.model.to(memory_format=self.layout)
        self.tensors, _ = tensors_in_memory(Config(self.cfg), 'val', self.model, self.device)
        return facts

    def files(self, rows: list[int]) -> Tensor:
        """Predict each pixel's class of images in memory."""
        images = self.tensors[rows].permute(0, 3, 1, 2)
        return class_indices(resized(self.network(images), self.size, self.model.decode_head))


class SmpPrediction(SmpTraining):
    """segmentation-models-pytorch: the U-Net alone, and from files."""

    layout, network = torch.contiguous_format, SmpTraining.logits
    measure, inputs = ConfigPrediction.measure, ConfigPrediction.inputs
    batches, images = (1, 16), 64

    def build(self) -> dict:
        """Build model and data set."""
        facts = super().build()
        self.dataset = self.loaders['val'].dataset
        return facts

    def files(self, rows: list[int]) -> Tensor:
        """Read some images and predict each pixel's class."""
        images, _ = self.collate([self.dataset[row] for row in rows])
        return class_indices(self.model(images.to(self.device))).cpu()
