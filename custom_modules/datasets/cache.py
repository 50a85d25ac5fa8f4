"""Files are read and decoded once in a run, for all processes of a machine."""

import hashlib
import mmap
import os
import pickle
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import BinaryIO

import numpy as np
import torch.distributed as dist
from mmengine.dist import get_world_size
from mmengine.logging import MMLogger
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
# of the free memory: the model and the workers need the rest
SHARE = 0.8


class NotCacheableError(Exception):
    """Why a data set goes on without a cache: the beginning of a sentence, for a warning."""


class DecodeOnce:
    """Mixin for data sets of mmengine's kind: files are read and decoded once, not once per epoch.

    Kept are the results of the pipeline's leading transforms that depend on the files alone, such as ``LoadImageFromFile`` and
    ``ResizeToLoadSize``; what comes after them sees no difference. All worker processes share one copy in memory. In a
    distributed run the first process of each machine makes it and the others map it; without ``/proc``, each makes its own.

    It is filled by ``full_init()`` of the built data set, which mmengine's ``Runner.build_dataloader`` calls before any worker
    starts; files that change later are not seen. Where there is no room the run goes on without, after a warning.

    Args:
        cache (str, optional): ``'ram'`` keeps the samples for the time of the run; None (default) decodes anew each time.
        *args, **kwargs: Of the data set.
    """

    _built = False
    _decoded: 'DecodedSamples | None' = None

    def __init__(self, *args, cache: str | None = None, **kwargs) -> None:
        if cache not in (None, 'ram'):
            raise UsageError(f"cache of {type(self).__name__} is 'ram' or None, got {cache!r}.")
        self.cache = cache
        super().__init__(*args, **kwargs)
        self._built = True

    def full_init(self) -> None:
        """List the samples, and decode them if the data set is already built."""
        super().full_init()
        # each worker would hold a copy
        wanted = self.cache and self._built and self.pipeline.transforms
        if not wanted or get_worker_info() is not None:
            return
        try:
            self._fill()
        except (NotCacheableError, OSError) as reason:
            self._go_without(str(reason))

    def prepare_data(self, idx: int):
        """Give what the pipeline makes of the sample at a place."""
        if self._decoded is None or not self._is_of_pipeline():
            if self.cache and get_worker_info() is not None:
                self._go_without(
                    'the cache is empty in a worker process (full_init() of the data set fills it before its data loader '
                    "starts; mp_start_method='fork' in env_cfg hands it on)"
                )
            return super().prepare_data(idx)
        results = self._decoded[idx]
        for transform in self.pipeline.transforms[len(self._static) :]:
            if results is None:
                break
            results = transform(results)
        return results

    def get_subset_(self, indices) -> None:
        """Keep some of the samples, as mmengine's ``BaseDataset`` does; call ``full_init()`` to decode them."""
        # places mean other samples now
        self._decoded = None
        super().get_subset_(indices)

    def _copy_without_annotation(self, memo=None):
        other = super()._copy_without_annotation(memo)
        other._decoded = None
        return other

    @property
    def _title(self) -> str:
        return ' '.join(filter(None, (type(self).__name__, getattr(self, 'split', None))))

    def _go_without(self, reason: str) -> None:
        self.cache = self._decoded = None
        warn(f'{reason}: {self._title} is decoded anew in each epoch')

    def _fill(self) -> None:
        transforms = self.pipeline.transforms
        if not (static := static_transforms(transforms)):
            raise NotCacheableError(f'{type(transforms[0]).__name__} comes first and may be random')
        source = self._fingerprint(static)

        def decode() -> DecodedSamples:
            began = time.monotonic()
            decoded = _decode_all(self, static, source)
            if self._fingerprint(static) != source:
                raise NotCacheableError('files have changed while they were read')
            said = f'{self._title}: {len(decoded)} samples, {decoded.nbytes / 1e6:.1f} MB, decoded into memory'
            MMLogger.get_current_instance().info(f'{said} in {time.monotonic() - began:.1f} s')
            return decoded

        if self._decoded is None or self._decoded.source != source:
            self._decoded = None
            self._decoded = _share_on_machine(source, decode)
        self._static, self._settings = static, _settings(static)

    def _fingerprint(self, static: list[Callable]) -> str:
        """Tell what samples are decoded from; keys of an entry that end with ``_path`` name files."""
        digest = hashlib.sha256(repr(_settings(static)).encode())
        for info in map(self.get_data_info, range(len(self))):
            digest.update(repr(info).encode())
            for key, path in info.items():
                if key.endswith('_path') and isinstance(path, str):
                    stat = os.stat(path)
                    # the change time too: a copied file may keep the size and the date of the one it replaces
                    digest.update(repr((stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)).encode())
        return digest.hexdigest()

    def _is_of_pipeline(self) -> bool:
        begin = self.pipeline.transforms[: len(self._static)]
        # mmengine's PipelineSwitchHook gives another: of other objects, which may do the same
        if begin != self._static and _settings(static_transforms(begin)) != self._settings:
            self._go_without('the pipeline loads otherwise than when the samples were decoded')
            return False
        self._static = begin
        return True


class DecodedSamples:
    """Decoded samples, pickled one after the other into a file without a name, which all processes of a machine share.

    Worker processes get them by fork; others are told the ``place``: machine, path of the file in the process that made it, inode.
    ``source`` tells what they were made of, ``spans`` where each begins and ends in the file, int64 (N, 2).
    """

    def __init__(self, file: BinaryIO, source: str, spans: np.ndarray, place: tuple | None = None) -> None:
        self.source, self._file, self._spans = source, file, spans
        inode = os.fstat(file.fileno()).st_ino
        self.place = place or (_machine(), f'/proc/{os.getpid()}/fd/{file.fileno()}', inode)
        self._bytes = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        self.nbytes = len(self._bytes)

    def __len__(self) -> int:
        return len(self._spans)

    def __getitem__(self, index: int) -> dict | None:
        """Give what the static transforms make of a sample, as a copy; None for one that they dropped."""
        start, end = self._spans[index]
        return pickle.loads(self._bytes[start:end])

    def __deepcopy__(self, memo: dict) -> 'DecodedSamples':
        return self

    def __reduce__(self):
        return _reopen, (self.place, self.source, self._spans)


def _reopen(place: tuple, *rest) -> DecodedSamples | None:
    where, path, inode = place
    try:
        # the number may be another file's by now
        if where is None or where != _machine() or os.stat(path).st_ino != inode:
            return None
        return DecodedSamples(open(path, 'rb'), *rest, place=place)
    except OSError:
        return None


def _machine() -> tuple[str, int] | None:
    # the same where one process can open the files of another: on one machine, in one container
    try:
        boot = Path('/proc/sys/kernel/random/boot_id').read_text()
        return boot, os.stat('/proc/self/ns/pid').st_ino
    except OSError:
        return None


def _share_on_machine(source: str, make: Callable[[], DecodedSamples]) -> DecodedSamples:
    """Let the first process of each machine that asks make samples, and the others map its memory."""
    if get_world_size() == 1 or _machine() is None:
        return make()
    # no collective call: a process may build a data set that the others do not
    store, key = dist.group.WORLD.get_group_store(), f'decoded samples {_machine()} {source}'
    if store.add(f'{key} asked', 1) == 1:
        try:
            made = make()
        except Exception as error:
            # else the others would wait for it
            made = error
        store.set(key, pickle.dumps(made))
    else:
        made = pickle.loads(store.get(key))
    if isinstance(made, Exception):
        raise made
    # gone, or hidden by the system
    return make() if made is None else made


def _decode_all(dataset: DecodeOnce, transforms: list[Callable], source: str) -> DecodedSamples:
    """Run static transforms on all samples, on all cores."""
    count, size, lock = len(dataset), 0, Lock()
    spans = np.empty((count, 2), np.int64)
    # decoding releases the interpreter's lock; more threads would only hold more pictures at their full size
    threads = min(8, available_cores())
    # small images one by one would take longer to hand out than to decode
    step = max(1, min(64, count // (8 * threads)))

    def decode(first: int) -> int:
        nonlocal size
        for index in range(count)[first : first + step]:
            sample = _decode(dataset, transforms, index)
            with lock:
                file.write(sample)
                spans[index] = size, size + len(sample)
                size += len(sample)
        return index + 1

    pool = ThreadPoolExecutor(threads)
    try:
        file = _memory_file()
        chunks = pool.map(decode, range(0, count, step))
        for done in progress(chunks, f'Decoding {dataset._title}', -(-count // step)):
            # not by the first few alone
            if done >= min(16, count / 2):
                _require_memory(size * (count - done) // done)
        if file.tell() != size:
            raise NotCacheableError('there is no room for the decoded samples')
        # nothing cannot be mapped
        file.truncate(max(size, 1))
        return DecodedSamples(file, source, spans)
    finally:
        pool.shutdown(cancel_futures=True)


def _decode(dataset: DecodeOnce, transforms: list[Callable], index: int) -> bytes:
    results = dataset.get_data_info(index)
    try:
        for transform in transforms:
            results = transform(results)
            if results is None:
                break
    except Exception as error:
        # whoever asks for this sample gets the error itself
        raise NotCacheableError(f'sample {index} cannot be loaded ({error})') from error
    for key, value in (results or {}).items():
        if isinstance(value, np.ndarray) and value.dtype != np.uint8:
            raise NotCacheableError(f'{key} of a sample is {value.dtype}, and only uint8 is kept')
    return pickle.dumps(results, pickle.HIGHEST_PROTOCOL)


def _memory_file() -> BinaryIO:
    # gone with the last process that has it, also a killed one; not in /dev/shm, which a container makes small
    if hasattr(os, 'memfd_create'):
        return os.fdopen(os.memfd_create('lunar-rocks-decoded'), 'w+b', buffering=0)
    return tempfile.TemporaryFile(buffering=0)


def _require_memory(nbytes: int) -> None:
    """Refuse to fill the memory with what is still to come: the system would end a process without a word."""
    free, copies = available_memory(), 1 if _machine() else get_world_size()
    if free is not None and nbytes * copies > SHARE * free:
        raise NotCacheableError(
            f"cache='ram' needs {nbytes * copies / 1e6:.0f} MB more, and {free / 1e6:.0f} MB are free (lower load_size)"
        )


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


def _settings(transforms: Sequence[Callable]) -> list[tuple]:
    # LoadAnnotations sets it when it is first used, to what the sample says
    return [(type(t), {**vars(t), 'reduce_zero_label': None}) for t in transforms]
