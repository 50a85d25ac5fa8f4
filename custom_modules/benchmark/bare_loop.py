from abc import ABC, abstractmethod

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, init_default_scope
from torch import Tensor

from .memory_batches import MemoryBatches
from .model_facts import model_facts
from .stopwatch import Stopwatch
from .tensors_in_memory import tensors_in_memory

# the optimizers that torch has a fused step for
FUSED = ('Adam', 'AdamW', 'SGD', 'Adagrad')


class BareLoop(ABC):
    """The limit: a config's network and losses with nothing around them.

    Images lie in memory as normalised tensors on the model's device, without augmentation. Channels-last layout, fused
    optimizer, no log, no checkpoint; the same parameters train as in the config's first epoch, with its precision and
    clipping, and with ``torch.compile`` where it compiles. Validation in float32 and in batches, with counts that are
    read once.

    Args:
        cfg (Config): The config.
    """

    def __init__(self, cfg: Config) -> None:
        init_default_scope(cfg.default_scope)
        self.device = torch.device(get_device())
        torch.backends.cudnn.benchmark = True
        torch.manual_seed(0)
        self.model = MODELS.build(cfg.model)
        self.model.init_weights()
        self.model.to(self.device, memory_format=torch.channels_last)
        schedule = cfg.default_hooks.get('freeze_schedule') or {}
        if 'schedule' in schedule:
            self.model.backbone.frozen_stages = schedule['schedule'][0]
        self._set_optimizer(cfg.optim_wrapper.to_dict())
        self.batch = cfg.train_dataloader.batch_size
        self.drop_last = cfg.train_dataloader.get('drop_last', False)
        pipeline = cfg.val_dataloader.dataset.pipeline
        self.train_set, self.val_set = (
            tensors_in_memory(
                cfg[part].dataset,
                pipeline,
                self.model.data_preprocessor,
                self.device,
                self.label,
            )
            for part in ('train_dataloader', 'val_dataloader')
        )
        self.facts = model_facts(self.model, self.train_set[0].shape[1:3], mode='tensor')
        hook = cfg.default_hooks.get('compile') or {}
        self.compiled = torch.compile(self.logits, dynamic=False) if hook.get('enabled') else None

    def train(self, watch: Stopwatch) -> None:
        """Train an epoch.

        Args:
            watch (Stopwatch): Ends each iteration there.
        """
        self.model.train()
        for images, labels in self._batches(self.train_set, shuffle=True):
            watch.mark('data')
            with torch.autocast(self.device.type, self.dtype, enabled=self.amp):
                loss = self.loss(self._network(images), labels)
            watch.mark('forward')
            self.scaler.scale(loss).backward()
            watch.mark('backward')
            self._step()
            watch.mark('step')
            watch.end_iteration(len(images))

    @torch.no_grad()
    def validate(self) -> int:
        """Count what was found.

        Returns:
            int: Number of images.
        """
        self.model.eval()
        counts = []
        for images, labels in self._batches(self.val_set, shuffle=False):
            # in float32, as mmengine's ValLoop does for the others
            counts.append(self.counts(self._network(images), labels))
        sum(counts).tolist()
        return len(self.val_set[0])

    @staticmethod
    @abstractmethod
    def label(sample) -> Tensor:
        """Take the label off a packed sample."""

    @abstractmethod
    def logits(self, images: Tensor) -> Tensor:
        """Compute the network's output."""

    @abstractmethod
    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Compute the sum of the losses."""

    @abstractmethod
    def counts(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Count what a score is made of, on the device."""

    def _network(self, images: Tensor) -> Tensor:
        # a ragged last batch would be compiled anew
        whole = self.model.training and len(images) == self.batch
        return self.compiled(images) if self.compiled and whole else self.logits(images)

    def _batches(self, data: tuple[Tensor, Tensor], shuffle: bool) -> MemoryBatches:
        return MemoryBatches(data, self.batch, shuffle, drop_last=shuffle and self.drop_last)

    def _set_optimizer(self, settings: dict) -> None:
        self.amp = settings['type'] in ('AmpOptimWrapper', 'BFloat16OptimWrapper')
        name = settings.get('dtype') if self.amp else None
        half = 'float16' if settings['type'] == 'AmpOptimWrapper' else 'bfloat16'
        self.dtype = getattr(torch, name or half)
        settings['optimizer'].pop('foreach', None)
        if settings['optimizer']['type'] in FUSED:
            settings['optimizer']['fused'] = True
        # the same groups of parameters and the same clipping; its precision is this loop's
        settings = {k: v for k, v in settings.items() if k not in ('dtype', 'loss_scale')}
        wrapper = build_optim_wrapper(self.model, settings | dict(type='OptimWrapper'))
        self.optimizer, self.clip_kwargs = wrapper.optimizer, wrapper.clip_grad_kwargs
        self.clip = wrapper.clip_func if self.clip_kwargs else None
        scaled = self.amp and self.dtype == torch.float16
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=scaled)

    def _step(self) -> None:
        if self.clip is not None:
            self.scaler.unscale_(self.optimizer)
            awake = [p for p in self.model.parameters() if p.grad is not None]
            self.clip(awake, **self.clip_kwargs)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
