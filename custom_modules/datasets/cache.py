"""Files are read and decoded once in a run."""

import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from torch.utils.data import get_worker_info

from custom_modules.datasets.pairs import warn
from custom_modules.utils.errors import UsageError
from custom_modules.utils.machine import available_cores, available_memory
from custom_modules.utils.tables import progress

# what always gives the same for the same files, by the package that has it; a subclass may draw numbers
STATIC = dict(
    mmcv=('LoadImageFromFile', 'Resize', 'CenterCrop'),
    mmseg=('LoadAnnotations',),
    mmpretrain=('ResizeEdge',),
    custom_modules=('LoadImageFromFile', 'LoadAnnotations', 'ResizeToLoadSize'),
)
# of the free memory: samples are there twice while they are joined, and the model needs the rest
SHARE = 0.4
# small images one by one would take longer to hand out than to decode
CHUNK = 64


class DecodeOnce:
    """Mixin for data sets of mmengine's kind: files are read and decoded once, not once per epoch.

    Kept are the results of the pipeline's leading transforms that depend on the files alone, such as ``ResizeToLoadSize``.
    Worker processes share them by fork. ``full_init()`` of the built data set fills it, which mmengine's
    ``Runner.build_dataloader`` calls before any worker starts; files that change later are not seen. Without room the run goes
    on without, after a warning.

    Args:
        cache (str, optional): ``'ram'`` keeps the samples for the time of the run; None (default) decodes anew each time.
    """

    caches: Sequence[str] = ('ram',)
    _built = False
    # of 'ram' all pickled samples in one array, as mmengine keeps its entries: objects would be copied by the workers that look at them
    _kept = None

    def __init__(self, *args, cache: str | None = None, **kwargs) -> None:
        if cache not in (None, *self.caches):
            raise UsageError(
                f'cache of {type(self).__name__} is {" or ".join(map(repr, self.caches))} or None, got {cache!r}.'
            )
        self.cache = cache
        super().__init__(*args, **kwargs)
        self._built = True

    def full_init(self) -> None:
        """List the samples, and decode them if the data set is already built."""
        super().full_init()
        if self.cache and self._built and self._kept is None and get_worker_info() is None and self.pipeline.transforms:
            self._keep()

    def prepare_data(self, idx: int):
        """Give what the pipeline makes of the sample at a place."""
        # mmengine's PipelineSwitchHook gives another pipeline
        if self.cache != 'ram' or self._kept is None or self.pipeline.transforms[: len(self._static)] != self._static:
            return super().prepare_data(idx)
        start, end = self._spans[idx]
        results = pickle.loads(memoryview(self._kept[start:end]))
        for transform in self.pipeline.transforms[len(self._static) :]:
            if results is None:
                break
            results = transform(results)
        return results

    def get_subset_(self, indices) -> None:
        """Keep some of the samples, as mmengine's ``BaseDataset`` does; call ``full_init()`` to decode them."""
        # places mean other samples now
        self._kept = None
        super().get_subset_(indices)

    def _copy_without_annotation(self, memo=None):
        kept, self._kept = self._kept, None
        try:
            return super()._copy_without_annotation(memo)
        finally:
            self._kept = kept

    def _keep(self) -> None:
        transforms, count, free = self.pipeline.transforms, len(self), available_memory()
        name = ' '.join(filter(None, (type(self).__name__, getattr(self, 'split', None))))
        self._static, reason = static_transforms(transforms), None
        if not self._static:
            reason = f'{type(transforms[0]).__name__} comes first and may be random'
        elif free is not None and (needed := len(self._decode(0)) * count) > SHARE * free:
            reason = f"cache='ram' needs {needed / 1e6:.0f} MB, and {free / 1e6:.0f} MB are free (lower load_size)"
        if reason:
            self.cache = None
            warn(f'{reason}: {name} is decoded anew in each epoch')
            return

        def decode(start: int) -> list[bytes]:
            return [self._decode(index) for index in range(count)[start : start + CHUNK]]

        # decoding releases the interpreter's lock; more threads would only hold more pictures at their full size
        with ThreadPoolExecutor(min(8, available_cores())) as pool:
            parts = progress(pool.map(decode, range(0, count, CHUNK)), f'Decoding {name}', -(-count // CHUNK))
            samples = [sample for part in parts for sample in part]
        ends = np.cumsum([len(sample) for sample in samples])
        self._spans = np.stack([[0, *ends[:-1]], ends], axis=1)
        self._kept = np.frombuffer(b''.join(samples), np.uint8)

    def _decode(self, index: int) -> bytes:
        results = self.get_data_info(index)
        for transform in self._static:
            if results is not None:
                results = transform(results)
        return pickle.dumps(results, pickle.HIGHEST_PROTOCOL)


def static_transforms(transforms: Sequence[Callable]) -> list[Callable]:
    """Take the leading transforms of a pipeline whose result depends on the files alone.

    Example:
        >>> from mmcv.transforms import LoadImageFromFile, RandomFlip, Resize
        >>> load, flip, resize = LoadImageFromFile(), RandomFlip(0.5), Resize((8, 8))
        >>> static_transforms([load, resize, flip, resize]) == [load, resize]
        True
    """
    known = [type(t).__qualname__ in STATIC.get(type(t).__module__.split('.')[0], ()) for t in transforms]
    return list(transforms[: [*known, False].index(False)])
