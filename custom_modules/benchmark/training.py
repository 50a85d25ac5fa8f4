"""Who trains: a config through mmengine's runner, and its network in a bare loop over tensors in memory."""

import contextlib
import functools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_all_start_methods
from pathlib import Path

import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.device import get_device
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DATASETS, MODELS, init_default_scope
from mmengine.runner import Runner
from torch import Tensor
from torch.utils.data import DataLoader

from custom_modules.engine.config import without_cache
from custom_modules.engine.config_checks import head_size
from custom_modules.engine.data_checks import require_a_batch
from custom_modules.models.safe_loading import require_pretrained
from custom_modules.utils.machine import available_cores

from .measuring import Contestant, Stopwatch, model_facts


class ConfigContestant(Contestant):
    """A contestant that is made of a config, whose images have a size of (width, height)."""

    def __init__(self, name: str, title: str, cfg: Config, size: Sequence[int]) -> None:
        self.name, self.title, self.precision = name, title, precision_of(cfg)
        self.libraries = tuple(cfg.custom_imports.imports)
        self.cfg, self.size = cfg.to_dict(), size[::-1]

    def begin(self) -> Config:
        """Set what a runner would, for those that have none; returns the config."""
        cfg = Config(self.cfg)
        init_default_scope(cfg.default_scope)
        self.device = torch.device(get_device())
        torch.backends.cudnn.benchmark = True
        torch.manual_seed(0)
        return cfg


class RunnerTraining(ConfigContestant):
    """A config through mmengine's runner, as ``tools/train.py`` trains it."""

    def build(self) -> dict:
        """Have the runner do all that comes before its epochs, and mark what an iteration consists of."""
        cfg = Config(self.cfg)
        cfg.train_cfg = dict(by_epoch=True, max_epochs=cfg.train_cfg.max_epochs)
        self.runner = runner = Runner.from_cfg(cfg)
        require_a_batch(runner)
        require_pretrained(runner.model)
        loop = runner.train_loop
        # how many epochs there are is for others to say; to leave here is to skip what comes after a run
        loop.run = lambda: next(iter(()))
        with contextlib.suppress(StopIteration):
            runner.train()
        runner.call_hook('before_train')
        model, wrapper = runner.model, runner.optim_wrapper
        facts = model_facts(model, self.size, mode='tensor')
        self.watch = watch = Stopwatch(facts['device'])
        # what comes before the step itself are hooks
        watch.mark_around(model, 'train_step', before='other', after='other')
        model.data_preprocessor.register_forward_hook(lambda *_: watch.mark('prepare'))
        # a wrapper steps after the loss is there, whatever its precision
        watch.mark_around(wrapper, 'backward', before='forward', after='backward')
        watch.mark_around(wrapper, 'step', after='step')
        watch.mark_around(wrapper, 'zero_grad', after='step')
        run_iter = loop.run_iter

        def timed(idx: int, data_batch: dict) -> None:
            watch.mark('data')
            run_iter(idx, data_batch)
            watch.end_iteration(len(data_batch['inputs']))

        loop.run_iter = timed
        return facts

    def measure(self, split: bool) -> dict:
        """Train an epoch, with validation and checkpoint; see the base class."""
        self.watch.begin(split)
        self.runner.train_loop.run_epoch()
        return self.watch.end_epoch(self._validate)

    def _validate(self) -> int:
        self.runner.val_loop.run()
        return len(self.runner.val_dataloader.dataset)


class StockTraining(RunnerTraining):
    """A stock library's config; a decode head computes its losses as mmseg's own do, ``acc_seg`` included."""

    def build(self) -> dict:
        """Begin; see the base class."""
        facts = super().build()
        if head := getattr(self.runner.model, 'decode_head', None):
            from mmseg.models.decode_heads.decode_head import BaseDecodeHead

            head.loss_by_feat = functools.partial(BaseDecodeHead.loss_by_feat, head)
        return facts


class BareTraining(ConfigContestant):
    """The limit: a config's network and losses with nothing around them.

    Images lie in memory as normalised tensors on the model's device, without augmentation. Channels-last layout, fused
    optimizer, no log, no checkpoint; the same parameters train as in the config's first epoch, with its precision,
    clipping and compilation. Validation in float32 and in batches, with counts read once.
    """

    def build(self) -> dict:
        """Build model, optimizer and tensors."""
        cfg = self.begin()
        self.model = MODELS.build(cfg.model)
        self.model.init_weights()
        self.model.to(self.device, memory_format=torch.channels_last)
        schedule = cfg.default_hooks.get('freeze_schedule') or {}
        if 'schedule' in schedule:
            self.model.backbone.frozen_stages = schedule['schedule'][0]
        self.batch = cfg.train_dataloader.batch_size
        self.drop_last = cfg.train_dataloader.get('drop_last', False)
        self._set_optimizer(cfg.optim_wrapper.to_dict())
        parts = ('train', 'val')
        self.sets = {part: tensors_in_memory(cfg, part, self.model, self.device) for part in parts}
        compiles = self.precision.endswith('compiled')
        self.compiled = torch.compile(self.logits, dynamic=False) if compiles else None
        return model_facts(self.model, self.size, mode='tensor')

    def measure(self, split: bool) -> dict:
        """Train an epoch and validate; see the base class."""
        self.model.train()
        dtype = getattr(torch, self.precision.split()[0])
        watch = Stopwatch(self.device, split)
        for images, labels in self.batches('train'):
            watch.mark('data')
            # a ragged last batch would be compiled anew
            whole = self.compiled is not None and len(images) == self.batch
            with torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32):
                loss = self.loss((self.compiled if whole else self.logits)(images), labels)
            watch.mark('forward')
            # of float16 too without a scale: it is timed, not learned from
            loss.backward()
            watch.mark('backward')
            if self.clip is not None:
                self.clip([p for p in self.model.parameters() if p.grad is not None])
            self.optimizer.step()
            self.optimizer.zero_grad()
            watch.mark('step')
            watch.end_iteration(len(images))
        return watch.end_epoch(self.validate)

    @torch.no_grad()
    def validate(self) -> int:
        """Count what is right, on the device; in float32, as mmengine's ValLoop."""
        self.model.eval()
        images, right = 0, torch.zeros(1, device=self.device)
        for inputs, labels in self.batches('val'):
            right += (class_indices(self.logits(inputs)) == labels).sum()
            images += len(inputs)
        print(f'{right.item()} right')
        return images

    def batches(self, part: str) -> Iterator[tuple[Tensor, Tensor]]:
        """Cut an epoch's batches of images (N, 3, H, W), channels-last, and labels; shuffled for training."""
        images, labels = self.sets[part]
        train = part == 'train'
        order = torch.randperm(len(images)) if train else torch.arange(len(images))
        for rows in order.to(images.device).split(self.batch):
            if len(rows) == self.batch or not (train and self.drop_last):
                yield images[rows].permute(0, 3, 1, 2), labels[rows]

    def logits(self, images: Tensor) -> Tensor:
        """Compute the network's output."""
        return self.model(images, mode='tensor')

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Add up the losses of the head."""
        if hasattr(self.model, 'head'):
            return self.model.head.loss_module(logits, labels)
        head = self.model.decode_head
        # as the project's heads do under mixed precision
        logits = resized(logits.float(), labels.shape[1:], head)
        terms = head.loss_decode
        terms = terms if isinstance(terms, torch.nn.ModuleList) else [terms]
        return sum(term(logits, labels, ignore_index=head.ignore_index) for term in terms)

    def _set_optimizer(self, settings: dict) -> None:
        settings['optimizer'].pop('foreach', None)
        # the optimizers that torch has a fused step for
        if settings['optimizer']['type'] in ('Adam', 'AdamW', 'SGD', 'Adagrad'):
            settings['optimizer']['fused'] = True
        # the same groups of parameters and the same clipping; its precision is this loop's
        settings = {k: v for k, v in settings.items() if k not in ('dtype', 'loss_scale')}
        wrapper = build_optim_wrapper(self.model, settings | dict(type='OptimWrapper'))
        kwargs = wrapper.clip_grad_kwargs
        self.clip = functools.partial(wrapper.clip_func, **kwargs) if kwargs else None
        self.optimizer = wrapper.optimizer


class SmpTraining(BareTraining):
    """The U-Net of segmentation-models-pytorch on MobileNetV3, in float32: 2.7 million parameters, 0.4 of the operations.

    A plain loop, given a stock config: its data set decodes the files in each epoch, Dice and cross entropy, AdamW, the
    loss read in each iteration, a checkpoint each epoch.
    """

    drop_last, clip, compiled = False, None, None

    def __init__(self, cfg: Config, size) -> None:
        title = 'U-Net on MobileNetV3 of segmentation-models-pytorch, in a plain loop'
        super().__init__('smp', title, cfg, size)
        self.precision = 'float32'
        self.libraries += ('segmentation_models_pytorch',)

    def build(self) -> dict:
        """Build model, loaders and optimizer."""
        from segmentation_models_pytorch import Unet

        cfg = self.begin()
        norm, self.channels = cfg.model.data_preprocessor, head_size(cfg, cfg.model.decode_head)[1]
        self.mean, self.std = (torch.tensor(norm[key]).view(3, 1, 1) for key in ('mean', 'std'))
        widths = dict(encoder_weights=None, decoder_channels=(192, 96, 48, 24, 12))
        self.model = Unet('timm-mobilenetv3_small_100', classes=self.channels, **widths)
        self.model.to(self.device).eval()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), cfg.optim_wrapper.optimizer.lr)
        self.checkpoint, self.batch = Path(cfg.get('work_dir') or '.') / 'smp.pth', 0
        self.loaders = {part: self._loader(cfg, part) for part in ('train', 'val')}
        return model_facts(self.model, self.size)

    def _loader(self, cfg: Config, part: str) -> DataLoader:
        workers = cfg[f'{part}_dataloader'].num_workers
        # a spawned process, as this one, would spawn its workers too: a user's script forks them
        fork = workers > 0 and 'fork' in get_all_start_methods()
        return DataLoader(
            DATASETS.build(cfg[f'{part}_dataloader'].dataset),
            cfg.train_dataloader.batch_size,
            shuffle=part == 'train',
            num_workers=workers,
            collate_fn=self.collate,
            multiprocessing_context='fork' if fork else None,
            persistent_workers=workers > 0,
        )

    def collate(self, samples: list[dict]) -> tuple[Tensor, Tensor]:
        """Normalise images (N, 3, H, W), and bring labels (N, H, W) to their size."""
        images = torch.stack([sample['inputs'].flip(0) for sample in samples]).float()
        labels = (sample['data_samples'].gt_sem_seg.data[None].float() for sample in samples)
        labels = torch.cat([F.interpolate(label, self.size) for label in labels])[:, 0].long()
        return (images - self.mean) / self.std, labels

    def batches(self, part: str) -> Iterator[tuple[Tensor, Tensor]]:
        """Read an epoch's batches."""
        return ([x.to(self.device) for x in batch] for batch in self.loaders[part])

    def logits(self, images: Tensor) -> Tensor:
        """Compute the network's output."""
        return self.model(images)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Add Dice and cross entropy, and read the sum."""
        from segmentation_models_pytorch.losses import DiceLoss

        if self.channels == 1:
            mode = 'binary'
            entropy = F.binary_cross_entropy_with_logits(logits[:, 0], (labels == 1).float())
        else:
            mode = 'multiclass'
            entropy = F.cross_entropy(logits, labels, ignore_index=255)
        loss = entropy + DiceLoss(mode, ignore_index=255)(logits, labels)
        print(f'loss {loss.item():.4f}')
        return loss

    def validate(self) -> int:
        """Count what was found, and write a checkpoint."""
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        torch.save(self.model.state_dict(), self.checkpoint)
        return super().validate()


def precision_of(cfg: Config) -> str:
    """Name what a config trains in: its forward pass's type, and ``compiled`` if it is."""
    wrapper, name = cfg.optim_wrapper, 'float32'
    defaults = dict(AmpOptimWrapper='float16', BFloat16OptimWrapper='bfloat16')
    if wrapper.type in defaults:
        name = str(wrapper.get('dtype') or defaults[wrapper.type]).removeprefix('torch.')
    compiles = (cfg.default_hooks.get('compile') or {}).get('enabled')
    return f'{name} compiled' if compiles else name


def class_indices(logits: Tensor) -> Tensor:
    """Turn logits (N, C, ...) into class indices (N, ...); one channel is rock from a probability of 0.5 on."""
    return logits[:, 0] > 0 if logits.shape[1] == 1 else logits.argmax(1)


def resized(logits: Tensor, size: tuple[int, int], head) -> Tensor:
    """Resize logits to height and width as a decode head does."""
    if logits.shape[2:] == size:
        return logits
    return F.interpolate(logits, size, mode='bilinear', align_corners=head.align_corners)


def tensors_in_memory(cfg: Config, part: str, model, device: torch.device) -> tuple[Tensor, Tensor]:
    """Load a data set once, without anything random: images (N, H, W, 3), normalised by the model, and labels (N, ...)."""
    settings = without_cache(cfg[f'{part}_dataloader'].dataset)
    samples = DATASETS.build(dict(settings, pipeline=cfg.val_dataloader.dataset.pipeline))
    images, labels = [], []
    with ThreadPoolExecutor(available_cores()) as pool:
        for start in range(0, len(samples), 64):
            rows = range(start, min(start + 64, len(samples)))
            read = pseudo_collate(list(pool.map(samples.__getitem__, rows)))
            batch = model.data_preprocessor(read, False)
            images.append(batch['inputs'].permute(0, 2, 3, 1).to(device))
            samples_of = batch['data_samples']
            labels += [
                x.gt_label[0] if 'gt_label' in x else x.gt_sem_seg.data[0].long()
                for x in samples_of
            ]
    return torch.cat(images), torch.stack(labels).to(device)
