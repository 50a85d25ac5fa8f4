"""Contestants that train: a config through mmengine's runner, and networks in bare loops."""

import contextlib
import functools
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS
from mmengine.runner import Runner
from mmengine.utils.dl_utils import set_multi_processing
from torch import Tensor

from custom_modules.engine.config_checks import head_size
from custom_modules.engine.data_checks import require_a_batch
from custom_modules.engine.devices import precision_of
from custom_modules.utils.machine import peak_memory

from .configs import stock_config, switch_lever
from .measuring import Contestant, synchronized_time

PARTS = ('data', 'prepare', 'forward', 'backward', 'step', 'other')


class RunnerTraining(Contestant):
    """The config as it is, as tools/train.py runs it.

    The time of an iteration is split into ``PARTS``: ``data`` (waiting for the batch), ``prepare`` (normalisation, stacking,
    batch augmentation), ``forward`` (with the losses), ``backward``, ``step`` (clipping, optimizer, zeroing) and ``other``
    (hooks, logs). A GPU runs asynchronously: there only ``data`` is accurate.
    """

    def _build(self, cfg: Config) -> None:
        self._reset_times()
        self.runner = runner = Runner.from_cfg(cfg)
        require_a_batch(runner)
        loop = runner.train_loop
        # runner.train() sets everything up; a StopIteration instead of its loop skips the rest of it, and `measure` runs the epochs
        loop.run = lambda: next(iter(()))
        with contextlib.suppress(StopIteration):
            runner.train()
        runner.call_hook('before_train')
        self.model, self.wrapper = runner.model, runner.optim_wrapper
        # before train_step only hooks run, and its last action is the optimizer's step, whatever the precision
        self._mark_around(self.model, 'train_step', before='other', after='step')
        self.model.data_preprocessor.register_forward_hook(lambda *_: self._mark('prepare'))
        self._mark_around(self.wrapper, 'backward', before='forward', after='backward')
        run_iter = loop.run_iter

        def timed(idx: int, data_batch: dict) -> None:
            self._mark('data')
            run_iter(idx, data_batch)
            self._end_iteration(len(data_batch['inputs']))

        loop.run_iter = timed

    def measure(self) -> dict:
        """Train an epoch, with validation and checkpoint.

        Returns ``seconds`` and ``images`` of the ``epoch``, its ``training`` and ``validation``; ``split_ms``, the mean of each part
        of an iteration; ``iteration_ms``, the mean of the whole; ``memory_mib``.
        """
        self._reset_times()
        begin = synchronized_time()
        self._train()
        parts = {part: 1000 * seconds / self._iterations for part, seconds in self._seconds.items()}
        trained, validated, end = synchronized_time(), self._validate(), synchronized_time()
        return dict(
            seconds=dict(epoch=end - begin, training=trained - begin, validation=end - trained),
            images=dict(epoch=self._images, training=self._images, validation=validated),
            iteration_ms=sum(parts.values()),
            split_ms=parts,
            memory_mib=peak_memory(),
        )

    def _train(self) -> None:
        self.runner.train_loop.run_epoch()

    def _validate(self) -> int:
        self.runner.val_loop.run()
        return len(self.runner.val_dataloader.dataset)

    def _reset_times(self) -> None:
        self._seconds, self._last = dict.fromkeys(PARTS, 0.0), time.perf_counter()
        self._images = self._iterations = 0

    def _mark(self, part: str) -> None:
        before, self._last = self._last, time.perf_counter()
        self._seconds[part] += self._last - before

    def _end_iteration(self, images: int) -> None:
        self._mark('other')
        self._images += images
        self._iterations += 1

    def _mark_around(self, owner, name: str, before: str, after: str) -> None:
        method = getattr(owner, name)

        def wrapped(*args, **kwargs):
            self._mark(before)
            result = method(*args, **kwargs)
            self._mark(after)
            return result

        setattr(owner, name, wrapped)


class StockTraining(RunnerTraining):
    """The same network in the plain library, as anyone can run it."""

    def _build(self, cfg: Config) -> None:
        super()._build(cfg)
        if head := getattr(self.model, 'decode_head', None):
            from mmseg.models.decode_heads.decode_head import BaseDecodeHead

            # the library's own, which also computes acc_seg
            head.loss_by_feat = functools.partial(BaseDecodeHead.loss_by_feat, head)


class BareTraining(RunnerTraining):
    """The same network in a bare loop over tensors in memory.

    An upper bound of the speed: the batches that the project's model gets are read and augmented once, and held on the device;
    no hooks, no log, no checkpoint. Model and optimizer are built by the runner: layout, precision, compilation, frozen
    stages, clipping. Validation is in float32, with counts read once.
    """

    def _build(self, cfg: Config) -> None:
        super()._build(cfg)
        self.batches = dict(train=[], val=[])
        for part, batches in self.batches.items():
            for batch in getattr(self.runner, f'{part}_dataloader'):
                found = self.model.data_preprocessor(batch, part == 'train')
                images = found['inputs'].contiguous(memory_format=torch.channels_last)
                batches.append((images, found['data_samples']))

    def _train(self) -> None:
        self.model.train()
        for images, truth in self._batches('train'):
            self._mark('data')
            with self.wrapper.optim_context(self.model):
                loss = self._loss(images, truth)
            self.wrapper.update_params(loss)
            self._mark('step')
            self._end_iteration(len(images))

    @torch.no_grad()
    def _validate(self) -> int:
        self.model.eval()
        images, right = 0, torch.zeros(1, device=self.device)
        for inputs, truth in self._batches('val'):
            right += (class_indices(self.model, inputs) == true_labels(truth)).sum()
            images += len(inputs)
        print(f'{right.item()} right')
        return images

    def _batches(self, part: str) -> Iterator[tuple[Tensor, list]]:
        """Yield the batches of an epoch: images (N, 3, H, W), and their samples."""
        yield from self.batches[part]

    def _loss(self, images: Tensor, truth: list) -> Tensor:
        return sum(value for name, value in self.model.loss(images, truth).items() if 'loss' in name)


class SmpTraining(BareTraining):
    """The U-Net on MobileNetV3 of segmentation-models-pytorch, smaller, in a plain loop.

    A usual alternative: the data set of the stock config, which decodes the files in each epoch, Dice and cross entropy, AdamW
    in float32, the loss read in each iteration, a checkpoint each epoch.
    """

    call = {}

    def _build(self, cfg: Config) -> None:
        self.model = smp_unet(cfg).to(self.device)
        self.wrapper = OptimWrapper(torch.optim.AdamW(self.model.parameters(), cfg.optim_wrapper.optimizer.lr))
        self._mark_around(self.wrapper, 'backward', before='forward', after='backward')
        self.folder = Path(cfg.work_dir)
        # fork the workers, as in a user's script: this process was spawned, and would spawn them
        set_multi_processing(**cfg.env_cfg.mp_cfg)
        normalise = MODELS.build(cfg.model.data_preprocessor)
        train, val = cfg.train_dataloader, cfg.val_dataloader
        # the training pipeline without augmentation, in which masks are resized with the images
        steps = ('LoadImageFromFile', 'LoadAnnotations', 'Resize', 'PackSegInputs')
        val.dataset.pipeline = [step for step in train.dataset.pipeline if step.type in steps]
        same = dict(batch_size=train.batch_size, collate_fn=lambda samples: normalise(pseudo_collate(samples), False))
        loaders = dict(train=train, val=val)
        self.loaders = {part: Runner.build_dataloader(dict(one, **same)) for part, one in loaders.items()}

    def _batches(self, part: str) -> Iterator[tuple[Tensor, list]]:
        for batch in self.loaders[part]:
            yield batch['inputs'].to(self.device), [sample.to(self.device) for sample in batch['data_samples']]

    def _loss(self, images: Tensor, truth: list) -> Tensor:
        from segmentation_models_pytorch.losses import DiceLoss

        logits, labels = self.model(images), true_labels(truth).long()
        if logits.shape[1] == 1:
            mode = 'binary'
            entropy = F.binary_cross_entropy_with_logits(logits[:, 0], (labels == 1).float())
        else:
            mode = 'multiclass'
            entropy = F.cross_entropy(logits, labels, ignore_index=255)
        loss = entropy + DiceLoss(mode, ignore_index=255)(logits, labels)
        print(f'loss {loss.item():.4f}')
        return loss

    def _validate(self) -> int:
        self.folder.mkdir(parents=True, exist_ok=True)
        torch.save(self.model.state_dict(), self.folder / 'smp.pth')
        return super()._validate()


def smp_unet(cfg: Config) -> torch.nn.Module:
    """Build smp's U-Net with a config's number of output channels: 2.7 million random parameters, 0.4 of the baseline's operations."""
    from segmentation_models_pytorch import Unet

    channels = head_size(cfg, cfg.model.decode_head)[1]
    widths = dict(encoder_weights=None, decoder_channels=(192, 96, 48, 24, 12))
    return Unet('timm-mobilenetv3_small_100', classes=channels, **widths)


def true_labels(samples: list) -> Tensor:
    """Return the masks (N, H, W) of samples, or a classifier's labels (N,)."""
    if not isinstance(samples, list):  # a batch that was never split into samples
        return samples.gt_label
    if 'gt_label' in samples[0]:
        return torch.cat([sample.gt_label for sample in samples])
    return torch.cat([sample.gt_sem_seg.data for sample in samples])


def class_indices(model, images: Tensor) -> Tensor:
    """Predict the classes of images (N, 3, H, W): (N, H, W), or of a classifier (N,); one channel is rock above a probability of 0.5."""
    logits = model.encode_decode(images, [dict(img_shape=images.shape[2:])]) if hasattr(model, 'encode_decode') else model(images)
    return logits[:, 0] > 0 if logits.shape[1] == 1 else logits.argmax(1)


def training_contestants(
    cfg: Config, size, folder: Path, epochs: int, workers: int, levers: Sequence[str] = ()
) -> Iterator[Contestant]:
    """Yield the contestants of a training, first the config itself; stock in float32, and in the config's own precision.

    With ``levers`` the others are the config with one of these switched, and last the config again, whose ratio shows the noise
    of the machine. Checkpoints and logs go to the folder; ``workers`` are those of each loader of stock and smp.
    """
    cfg = Config(cfg.to_dict())
    cfg.train_cfg = dict(by_epoch=True, max_epochs=epochs)

    def make(name: str, kind: type, config: Config = cfg, title: str = '') -> Contestant:
        config = Config(config.to_dict())
        config.experiment_name = name.replace(' ', '_')
        config.work_dir = (folder / config.experiment_name).as_posix()
        return kind(name, config, size, title)

    yield make('project', RunnerTraining)
    if levers:
        for name, other in (switch_lever(cfg, lever) for lever in levers):
            yield make(name, RunnerTraining, other, f'the config {name}')
        title = 'the config as it is, a second time: its ratio is the noise of this table'
        yield make('unchanged', RunnerTraining, title=title)
        return
    stock_cfg = stock_config(cfg, size, workers, 'float32')
    yield make('stock', StockTraining, stock_cfg)
    precision = precision_of(cfg).split()[0]
    if precision != 'float32':
        same = stock_config(cfg, size, workers, precision)
        yield make(f'stock {precision}', StockTraining, same, f'the same in {precision}, {same.optim_wrapper.type}')
    yield make('bare loop', BareTraining)
    if cfg.default_scope == 'mmseg' and find_spec('segmentation_models_pytorch'):
        yield make('smp', SmpTraining, stock_cfg)
