"""Who trains: a config through mmengine's runner, and its network in a bare loop over tensors in memory."""

import functools
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.device import get_device
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DATASETS, LOOPS, MODELS, init_default_scope
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import Tensor

from custom_modules.engine.config import without_cache
from custom_modules.engine.data_checks import require_a_batch
from custom_modules.models.pretrained import require_pretrained
from custom_modules.utils.errors import UsageError
from custom_modules.utils.machine import available_cores, available_memory

from .measuring import Contestant, Stopwatch, model_facts

# the optimizers that torch has a fused step for
FUSED = ('Adam', 'AdamW', 'SGD', 'Adagrad')


class ConfigContestant(Contestant):
    """A contestant that is made of a config.

    Args:
        name (str): See :class:`Contestant`.
        title (str): See :class:`Contestant`.
        cfg (Config): The config.
        size (Sequence[int]): Width and height of its images.
    """

    def __init__(self, name: str, title: str, cfg: Config, size: Sequence[int]) -> None:
        super().__init__(name, title, precision_of(cfg), cfg.custom_imports.imports)
        self.cfg, self.size = cfg.to_dict(), size[::-1]


class RunnerTraining(ConfigContestant):
    """A config through mmengine's runner, as ``tools/train.py`` trains it."""

    def run(self) -> None:
        """Train; the runner has the reins."""
        cfg = Config(self.cfg)
        cfg.train_cfg = dict(type='TimedTrainLoop', max_epochs=cfg.train_cfg.max_epochs)
        runner = Runner.from_cfg(cfg)
        require_a_batch(runner)
        require_pretrained(runner.model)
        self.model, self.loop = runner.model, runner.train_loop
        self.loop.rounds = super().run
        runner.train()

    def build(self) -> dict:
        """Begin; see the base class."""
        facts = model_facts(self.model, self.size, mode='tensor')
        self.loop.begin(facts['device'])
        return facts

    def measure(self, split: bool) -> dict:
        """Train an epoch, with validation and checkpoint; see the base class."""
        self.loop.watch.begin(split)
        self.loop.run_epoch()
        return self.loop.watch.end_epoch(self.loop.validate)


class StockTraining(RunnerTraining):
    """A stock library's config; a decode head computes its losses as mmseg's own do, ``acc_seg`` included."""

    def build(self) -> dict:
        """Begin; see the base class."""
        if head := getattr(self.model, 'decode_head', None):
            from mmseg.models.decode_heads.decode_head import BaseDecodeHead

            head.loss_by_feat = functools.partial(BaseDecodeHead.loss_by_feat, head)
        return super().build()


@LOOPS.register_module()
class TimedTrainLoop(EpochBasedTrainLoop):
    """mmengine's loop over epochs, which splits its iterations; how many there are is for others to say."""

    rounds: Callable[[], None]

    def run(self) -> None:
        """Train."""
        self.runner.call_hook('before_train')
        self.rounds()

    def begin(self, device: str) -> None:
        """Mark what an iteration consists of."""
        runner, self.watch = self.runner, Stopwatch(device)
        # what comes before the step itself are hooks
        self._mark_around(runner.model, 'train_step', before='other', after='other')
        runner.model.data_preprocessor.register_forward_hook(lambda *_: self.watch.mark('prepare'))
        # a wrapper steps after the loss is there, whatever its precision
        self._mark_around(runner.optim_wrapper, 'backward', before='forward', after='backward')
        self._mark_around(runner.optim_wrapper, 'step', after='step')
        self._mark_around(runner.optim_wrapper, 'zero_grad', after='step')

    def run_iter(self, idx: int, data_batch: dict) -> None:
        """Train on a batch."""
        self.watch.mark('data')
        super().run_iter(idx, data_batch)
        self.watch.end_iteration(len(data_batch['inputs']))

    def validate(self) -> int:
        """Validate, and return the number of images."""
        self.runner.val_loop.run()
        return len(self.runner.val_dataloader.dataset)

    def _mark_around(self, owner, name: str, after: str, before: str | None = None) -> None:
        method = getattr(owner, name)

        # mmengine's schedulers look for their mark on it
        @functools.wraps(method)
        def wrapped(*args, **kwargs):
            if before is not None:
                self.watch.mark(before)
            result = method(*args, **kwargs)
            self.watch.mark(after)
            return result

        setattr(owner, name, wrapped)


class LoopTraining(Contestant):
    """A plain loop; ``build`` sets ``model`` and ``device``."""

    @abstractmethod
    def train(self, watch: Stopwatch) -> None:
        """Train an epoch and mark its parts."""

    @abstractmethod
    def validate(self) -> int:
        """Validate, and return the number of images."""

    def measure(self, split: bool) -> dict:
        """Train an epoch and validate; see the base class."""
        watch = Stopwatch(self.device)
        watch.begin(split)
        self.train(watch)
        return watch.end_epoch(self.validate)


class BareTraining(ConfigContestant, LoopTraining):
    """The limit: a config's network and losses with nothing around them.

    Images lie in memory as normalised tensors on the model's device, without augmentation. Channels-last layout, fused
    optimizer, no log, no checkpoint; the same parameters train as in the config's first epoch, with its precision and
    clipping, and with ``torch.compile`` where it compiles. Validation in float32 and in batches, with counts read once.
    """

    def build(self) -> dict:
        """Build model, optimizer and tensors."""
        cfg = Config(self.cfg)
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
        self.batch = cfg.train_dataloader.batch_size
        self.drop_last = cfg.train_dataloader.get('drop_last', False)
        self._set_optimizer(cfg.optim_wrapper.to_dict())
        self.train_set, self.val_set = (
            tensors_in_memory(cfg, part, self.model, self.device) for part in ('train', 'val')
        )
        compiles = self.precision.endswith('compiled')
        self.compiled = torch.compile(self.logits, dynamic=False) if compiles else None
        return model_facts(self.model, self.size, mode='tensor')

    def train(self, watch: Stopwatch) -> None:
        """Train an epoch."""
        self.model.train()
        dtype = getattr(torch, self.precision.split()[0])
        for images, labels in memory_batches(self.train_set, self.batch, True, self.drop_last):
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

    @torch.no_grad()
    def validate(self) -> int:
        """Count what was found."""
        self.model.eval()
        # in float32, as mmengine's ValLoop does for the others
        batches = memory_batches(self.val_set, self.batch)
        sum(self.counts(self.logits(images), labels) for images, labels in batches).tolist()
        return len(self.val_set[0])

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
        several = isinstance(head.loss_decode, torch.nn.ModuleList)
        terms = head.loss_decode if several else [head.loss_decode]
        return sum(term(logits, labels, ignore_index=head.ignore_index) for term in terms)

    def counts(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Count what is right, or a confusion matrix, on the device."""
        if hasattr(self.model, 'head'):
            return (logits.argmax(1) == labels).sum()
        classes = self.model.decode_head.num_classes
        cells = (labels * classes + class_indices(logits))[labels != 255]
        return torch.bincount(cells, minlength=classes * classes)

    def _set_optimizer(self, settings: dict) -> None:
        settings['optimizer'].pop('foreach', None)
        if settings['optimizer']['type'] in FUSED:
            settings['optimizer']['fused'] = True
        # the same groups of parameters and the same clipping; its precision is this loop's
        settings = {k: v for k, v in settings.items() if k not in ('dtype', 'loss_scale')}
        wrapper = build_optim_wrapper(self.model, settings | dict(type='OptimWrapper'))
        kwargs = wrapper.clip_grad_kwargs
        self.clip = functools.partial(wrapper.clip_func, **kwargs) if kwargs else None
        self.optimizer = wrapper.optimizer


def precision_of(cfg: Config) -> str:
    """Name what a config trains in: its forward pass's type, and ``compiled`` if it is."""
    wrapper = cfg.optim_wrapper
    defaults = dict(AmpOptimWrapper='float16', BFloat16OptimWrapper='bfloat16')
    name = 'float32'
    if wrapper.type in defaults:
        name = str(wrapper.get('dtype') or defaults[wrapper.type]).removeprefix('torch.')
    compiles = (cfg.default_hooks.get('compile') or {}).get('enabled')
    return f'{name} compiled' if compiles else name


def class_indices(logits: Tensor) -> Tensor:
    """Turn logits (N, C, H, W) into class indices (N, H, W); one channel is rock from a probability of 0.5 on."""
    return logits[:, 0] > 0 if logits.shape[1] == 1 else logits.argmax(1)


def resized(logits: Tensor, size: tuple[int, int], head) -> Tensor:
    """Resize logits to height and width as a decode head does."""
    if logits.shape[2:] == size:
        return logits
    return F.interpolate(logits, size, mode='bilinear', align_corners=head.align_corners)


def memory_batches(
    data: tuple[Tensor, Tensor], batch: int, shuffle: bool = False, drop_last: bool = False
) -> Iterator[tuple[Tensor, Tensor]]:
    """Cut tensors of :func:`tensors_in_memory` into an epoch's batches of images (N, 3, H, W), channels-last, and labels."""
    images, labels = data
    order = torch.randperm(len(images)) if shuffle else torch.arange(len(images))
    for rows in order.to(images.device).split(batch):
        if len(rows) == batch or not drop_last:
            yield images[rows].permute(0, 3, 1, 2), labels[rows]


def tensors_in_memory(cfg: Config, part: str, model, device: torch.device) -> tuple[Tensor, Tensor]:
    """Load a data set once and keep what the network sees of it, without anything random.

    Args:
        cfg (Config): The config.
        part (str): ``'train'`` or ``'val'``.
        model: Whose ``data_preprocessor`` normalises.
        device (torch.device): Where the tensors are to lie.

    Returns:
        tuple[Tensor, Tensor]: Images (N, H, W, 3) of floats, whose batches are channels-last views, and labels (N, ...).

    Raises:
        UsageError: If there is no room for them.
    """
    settings = without_cache(cfg[f'{part}_dataloader'].dataset)
    samples = DATASETS.build(dict(settings, pipeline=cfg.val_dataloader.dataset.pipeline))
    images, labels, count = None, [], len(samples)
    with ThreadPoolExecutor(available_cores()) as pool:
        for start in range(0, count, 64):
            rows = range(start, min(start + 64, count))
            read = pseudo_collate(list(pool.map(samples.__getitem__, rows)))
            batch = model.data_preprocessor(read, False)
            found = batch['inputs'].permute(0, 2, 3, 1)
            if images is None:
                room = available_memory() if device.type == 'cpu' else torch.cuda.mem_get_info()[0]
                if room is not None and count * found[0].nbytes > 0.8 * room:
                    raise UsageError(
                        f'{count} images are {count * found[0].nbytes / 1e6:.0f} MB of floats for the bare loop, and '
                        f'{room / 1e6:.0f} MB are free: measure fewer with --pairs.'
                    )
                images = found.new_empty(count, *found.shape[1:], device=device)
            images[rows.start : rows.stop] = found
            labels += [
                sample.gt_label[0] if 'gt_label' in sample else sample.gt_sem_seg.data[0].long()
                for sample in batch['data_samples']
            ]
    return images, torch.stack(labels).to(device)
