from torch.utils.data import get_worker_info

from custom_modules.datasets.pairs import warn
from custom_modules.utils.errors import UsageError
from custom_modules.utils.progress import progress

from .cache_folder import CacheFolder
from .decode_all import decode_all
from .decoded_samples import DecodedSamples
from .keep_samples import keep_samples
from .not_cacheable_error import NotCacheableError
from .source_key import SourceKey
from .static_transforms import describe, static_transforms
from .write_samples import write_samples


class DecodeOnce:
    """Mixin for data sets of mmengine's kind: files are read and decoded once, not once per epoch.

    Kept are the results of the pipeline's leading transforms that depend on the files alone, such as
    ``LoadImageFromFile``, ``LoadAnnotations`` and ``ResizeToLoadSize``; what comes after them sees no difference.
    All worker processes share one copy. Files that change while a run goes on are not seen by it, as they are when the
    next one starts: names, sizes and times of the files, the transforms, and what the data set says of each sample are compared.

    It is filled when ``full_init()`` is called on the built data set, as mmengine's ``Runner.build_dataloader`` does
    before any worker starts. Building a data set alone, or looking at a sample, fills nothing. Where there is no room the
    run goes on without, after a warning.

    Args:
        cache (str, optional): ``'ram'`` keeps the samples in memory for the time of the run, each process of a
            distributed run its own; ``'disk'`` in a memory-mapped file that later runs and all processes use. None
            (default) decodes anew each time.
        cache_dir (str, optional): Folder of the files. Defaults to ``lunar-rocks/decoded`` in ``$XDG_CACHE_HOME`` or
            ``~/.cache``; it can be deleted at any time.
        *args: Of the data set.
        **kwargs: Of the data set.

    Raises:
        UsageError: If cache is something else.
    """

    _built = False
    _decoded: DecodedSamples | None = None
    _tried = False

    def __init__(
        self, *args, cache: str | None = None, cache_dir: str | None = None, **kwargs
    ) -> None:
        if cache not in (None, 'ram', 'disk'):
            raise UsageError(
                f"cache of {type(self).__name__} is 'ram', 'disk' or None, got {cache!r}."
            )
        self.cache, self.cache_dir = cache, cache_dir
        super().__init__(*args, **kwargs)
        self._built = True

    def full_init(self) -> None:
        """List the samples, and decode them if the data set is already built."""
        super().full_init()
        if self.cache and self._built:
            self.fill_cache()

    def fill_cache(self) -> None:
        """Decode all samples, or find them decoded; does nothing when nothing has changed since."""
        # each worker would hold a copy
        if get_worker_info() is not None:
            return
        self._tried = True
        try:
            self._fill()
        except NotCacheableError as reason:
            self._decoded = None
            warn(f'{reason}: {self._title} is decoded anew in each epoch')

    def prepare_data(self, idx: int):
        """Give one sample.

        Args:
            idx (int): Its place in the data set.

        Returns:
            Any: What the pipeline gives.
        """
        if self._decoded is None or not self._is_of_pipeline():
            self._warn_of_unfilled()
            return super().prepare_data(idx)
        info = self.get_data_info(idx)
        results = self._decoded.add_to(info, info['sample_idx'])
        for transform in self.pipeline.transforms[len(self._static) :]:
            if results is None:
                break
            results = transform(results)
        return results

    def get_subset_(self, indices) -> None:
        """Keep some of the samples; call ``full_init()`` to decode them.

        Args:
            indices (int or Sequence[int]): As in mmengine's ``BaseDataset``.
        """
        # places mean other samples now
        self._decoded, self._tried = None, False
        super().get_subset_(indices)

    def _copy_without_annotation(self, memo=None):
        other = super()._copy_without_annotation(memo)
        other._decoded, other._tried = None, False
        return other

    @property
    def _title(self) -> str:
        return ' '.join(filter(None, (type(self).__name__, getattr(self, 'split', None))))

    def _entries(self):
        for index in range(len(self)):
            entry = self.get_data_info(index)
            del entry['sample_idx']
            yield entry

    def _fill(self) -> None:
        transforms = self.pipeline.transforms
        static = static_transforms(transforms)
        if not static:
            if transforms:
                name = type(transforms[0]).__name__
                raise NotCacheableError(f'the pipeline begins with {name}, which may be random')
            return
        description = describe(static)
        key = SourceKey.of(self._entries(), description)
        if self._decoded is not None and self._decoded.key == (key.name, key.state):
            return
        self._decoded = None

        def write(file, require_room) -> None:
            decoded = decode_all(self.get_data_info, static, len(self))
            samples = progress(decoded, f'Decoding {self._title}', len(self))
            write_samples(file, (key.name, key.state), samples, len(self), require_room)
            if SourceKey.of(self._entries(), description) != key:
                raise NotCacheableError('files have changed while they were read')

        folder = CacheFolder(self.cache_dir) if self.cache == 'disk' else None
        self._decoded = keep_samples(self._title, key, write, folder)
        self._static, self._description = static, description

    def _is_of_pipeline(self) -> bool:
        """Tell whether the pipeline still begins as it did: mmengine's PipelineSwitchHook gives another."""
        begin = self.pipeline.transforms[: len(self._static)]
        # the very same objects
        if begin == self._static:
            return True
        alike = len(static_transforms(begin)) == len(self._static)
        if alike and describe(begin) == self._description:
            self._static = begin
            return True
        self._decoded = None
        warn(
            f'the pipeline of {self._title} loads otherwise than when the samples were decoded: they are decoded anew in each epoch'
        )
        return False

    def _warn_of_unfilled(self) -> None:
        if self.cache and not self._tried and get_worker_info() is not None:
            self._tried = True
            warn(
                f'the cache of {self._title} is empty in a worker process: call full_init() of the data set before '
                'its data loader starts'
            )
