"""The data preprocessor that augments whole batches on the device."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.dist import get_rank, get_world_size
from mmengine.logging import MessageHub
from mmengine.structures import PixelData
from mmseg.models import SegDataPreProcessor
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample


class StepRandom:
    """The random numbers of one training step: a function of seed, step and a sample's place in the batch.

    They do not depend on how often the run was interrupted, nor on how many processes share the batch: sample ``i`` of
    process ``r`` of ``n`` has place ``i * n + r``, which is the place mmengine's ``DefaultSampler`` gives it in the
    batch of a single process. They are drawn on the host, so that a GPU is never waited for and draws the same as a CPU.

    Args:
        seed (int): The run's seed.
        step (int): The iteration.
        places (Sequence[int]): The wanted samples' places in the batch of all processes.
        total (int): The size of that batch.

    Example:
        >>> whole = StepRandom(seed=0, step=7, places=[0, 1, 2, 3], total=4).uniform(0, 1)
        >>> second = StepRandom(seed=0, step=7, places=[1, 3], total=4).uniform(0, 1)
        >>> bool((second == whole[1::2]).all())
        True
    """

    def __init__(self, seed: int, step: int, places, total: int) -> None:
        self.places = np.asarray(places)
        self.total = total
        self.generator = np.random.default_rng((seed, step))

    def __len__(self) -> int:
        return len(self.places)

    def uniform(self, low: float, high: float) -> np.ndarray:
        """Draw evenly from a range, one number per sample.

        Args:
            low (float): Least number.
            high (float): Greatest number.

        Returns:
            np.ndarray: Float64, (N,).
        """
        return self.generator.uniform(low, high, self.total)[self.places]

    def integers(self, end: int) -> np.ndarray:
        """Draw a whole number per sample.

        Args:
            end (int): They are from 0 to below this.

        Returns:
            np.ndarray: Int64, (N,).
        """
        return self.generator.integers(end, size=self.total)[self.places]


@MODELS.register_module()
class BatchAugPreProcessor(SegDataPreProcessor):
    """mmseg's ``SegDataPreProcessor`` that augments the whole batch on its device, in training only.

    In place of random transforms in the data set's pipeline: the data set then gives the same each time (and can be
    cached), and a GPU does the rest. Augmentation comes before normalisation and padding, so grey values are 0 to 255,
    what comes in from outside the image is black as in the per-sample transforms, and the padding stays where it is.
    Images of several sizes are augmented by size.

    The random numbers are a function of the run's seed, the iteration and a sample's place in the batch of all
    processes: a resumed run goes on as if it had not stopped, and two processes draw what one with the double batch
    does. Outside of a run its own calls are counted, from seed 0.

    Written here because ``torchvision.transforms.v2`` draws one set of parameters per call, which would turn a whole
    batch alike, and because kornia 0.9.0, which draws one per sample, needs Python 3.11 and a compiled package (31 MB), and
    draws from torch's global generator, which no seed and iteration could replay after a resume.

    Args:
        augments (Sequence[dict]): Batch augmentations in their order (``BatchRandomFlip``, ...); with none this is a
            ``SegDataPreProcessor``. Defaults to none.
        **kwargs: Those of ``SegDataPreProcessor``.

    Raises:
        ValueError: In training, if a sample's mask is not of its image's size, or it has other maps to move.

    Example:
        >>> import torch
        >>> from mmengine.structures import PixelData
        >>> from mmseg.structures import SegDataSample
        >>> sample = SegDataSample(gt_sem_seg=PixelData(data=torch.tensor([[[0, 0, 1]]])))
        >>> flip = BatchAugPreProcessor(augments=[dict(type='BatchRandomFlip', prob=1.0)], size_divisor=1)
        >>> batch = dict(inputs=[torch.tensor([[[10, 20, 30]]], dtype=torch.uint8)], data_samples=[sample])
        >>> flip(batch, training=True)['inputs']
        tensor([[[[30., 20., 10.]]]])
        >>> flip(batch, training=True)['data_samples'][0].gt_sem_seg.data
        tensor([[[1, 0, 0]]])
    """

    def __init__(self, augments: Sequence[dict] = (), **kwargs) -> None:
        super().__init__(**kwargs)
        self.augments = [MODELS.build(augment) for augment in augments]
        self._calls = 0

    def forward(self, data: dict, training: bool = False) -> dict:
        """Normalise and pad a batch, in training augmented first.

        Args:
            data (dict): ``inputs``, a list of (C, H, W) images of 0 to 255, and their ``data_samples``; not changed.
            training (bool): Whether to augment. Defaults to False.

        Returns:
            dict: ``inputs`` (N, C, H, W) and ``data_samples``.
        """
        if not (training and self.augments):
            return super().forward(data, training)
        # mixed precision is for the network: grey values have more than bfloat16's eight bits
        with torch.autocast(self.device.type, enabled=False):
            return self._augmented(data['inputs'], data['data_samples'])

    def _augmented(self, inputs: list, samples: list) -> dict:
        seed, step = self._seed_and_step()
        rank, processes = get_rank(), get_world_size()
        by_size = defaultdict(list)
        for row, (image, sample) in enumerate(zip(inputs, samples, strict=True)):
            self._check(image, sample)
            by_size[tuple(image.shape[-2:])].append(row)
        target = self._target(by_size)
        parts = []
        for size, rows in by_size.items():
            images = self._stack([inputs[row] for row in rows])
            masks = self._stack([samples[row].gt_sem_seg.data for row in rows])
            # as many numbers for each size: a sample's do not depend on its neighbours
            places = [row * processes + rank for row in rows]
            random = StepRandom(seed, step, places, len(inputs) * processes)
            if self._channel_conversion and images.shape[1] == 3:
                images = images.flip(1)
            images = images.float()
            for augment in self.augments:
                images, masks = augment(images, masks, random)
            if self._enable_normalize:
                images = images.sub_(self.mean).div_(self.std)
            parts.append((size, rows, images, masks))
        return self._assemble(parts, samples, target)

    def _seed_and_step(self) -> tuple[int, int]:
        hub = MessageHub.get_current_instance()
        # a run that has ended leaves its last iteration behind
        if hub.get_info('loop_stage') == 'train':
            return hub.get_info('seed'), hub.get_info('iter')
        self._calls += 1
        return 0, self._calls - 1

    @staticmethod
    def _check(image: torch.Tensor, sample: SegDataSample) -> None:
        others = set(sample.keys()) - {'gt_sem_seg'}
        if others:
            raise ValueError(
                f'only gt_sem_seg moves with the image, and a sample holds {sorted(others)} too: '
                'leave them out, or augment in the pipeline.'
            )
        if sample.gt_sem_seg.data.shape[-2:] != image.shape[-2:]:
            raise ValueError(
                f'an image of {tuple(image.shape[-2:])} pixels has a mask of '
                f'{tuple(sample.gt_sem_seg.data.shape[-2:])}: they can only be moved together '
                'at one size, so resize both in the pipeline.'
            )

    def _stack(self, tensors: list[torch.Tensor]) -> torch.Tensor:
        """One copy to the device in place of one per sample; from pinned memory, so that the host does not wait."""
        out = None
        if self.device.type == 'cuda' and tensors[0].device.type == 'cpu':
            shape = (len(tensors), *tensors[0].shape)
            out = torch.empty(shape, dtype=tensors[0].dtype, pin_memory=True)
        return torch.stack(tensors, out=out).to(self.device, non_blocking=True)

    def _target(self, sizes) -> tuple[int, int]:
        """Height and width of the padded batch, as mmseg's ``stack_batch`` has it."""
        largest = [max(side) for side in zip(*sizes, strict=True)]
        if self.size is not None:
            return tuple(max(pair) for pair in zip(largest, self.size[-2:], strict=True))
        divisor = self.size_divisor or 1
        return tuple(-(-side // divisor) * divisor for side in largest)

    def _assemble(self, parts: list, samples: list, target: tuple[int, int]) -> dict:
        """Pad to the right and below, and give every sample its mask."""
        packed = [None] * len(samples)
        batch = None
        for (height, width), rows, images, masks in parts:
            padding = (0, target[1] - width, 0, target[0] - height)
            if any(padding):
                images = F.pad(images, padding, value=self.pad_val)
                masks = F.pad(masks, padding, value=self.seg_pad_val)
            for row, mask in zip(rows, masks, strict=True):
                meta = dict(samples[row].metainfo)
                meta.update(
                    img_shape=torch.Size((height, width)), pad_shape=target, padding_size=padding
                )
                packed[row] = SegDataSample(metainfo=meta, gt_sem_seg=PixelData(data=mask))
            if len(parts) == 1:
                batch = images
            else:
                batch = (
                    images.new_empty((len(samples), *images.shape[1:])) if batch is None else batch
                )
                index = torch.tensor(rows).to(batch.device, non_blocking=True)
                batch.index_copy_(0, index, images)
        return dict(inputs=batch, data_samples=packed)
