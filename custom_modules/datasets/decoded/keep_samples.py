import time

from mmengine.dist import get_world_size
from mmengine.logging import MMLogger

from custom_modules.datasets.pairs import warn

from .cache_folder import CacheFolder, Write
from .decoded_samples import DecodedSamples
from .memory_file import memory_file, require_memory
from .not_cacheable_error import NotCacheableError
from .source_key import SourceKey


def keep_samples(
    title: str, key: SourceKey, write: Write, folder: CacheFolder | None = None
) -> DecodedSamples:
    """Decode samples into memory or a folder, or find them there.

    Args:
        title (str): Which data set, for log and file name.
        key (SourceKey): What the samples are made of.
        write (Callable): Decodes and writes them to a file; asks the function that it is given whether there is room.
        folder (CacheFolder, optional): Where they are to be kept for later runs; a folder that cannot be written is warned of,
            and memory is used. Memory by default.

    Returns:
        DecodedSamples: The samples.

    Raises:
        NotCacheableError: If there is no room in memory.
    """
    decoded = None if folder is None else _on_disk(title, key, write, folder)
    return decoded or _in_memory(title, key, write)


def _in_memory(title: str, key: SourceKey, write: Write) -> DecodedSamples:
    began = time.monotonic()
    try:
        with memory_file() as file:
            write(file, require_memory)
            decoded = DecodedSamples(file, (key.name, key.state), check=False)
    except OSError as error:
        raise NotCacheableError(f'no memory can be had for the cache ({error})') from error
    several = get_world_size()
    own = f", in each of {several} processes (cache='disk' shares)" if several > 1 else ''
    _log(title, decoded, f'decoded into memory in {time.monotonic() - began:.1f} s{own}')
    return decoded


def _on_disk(
    title: str, key: SourceKey, write: Write, folder: CacheFolder
) -> DecodedSamples | None:
    began = time.monotonic()
    path, built = folder.path(title, key), False
    decoded, wrong = folder.find(title, key)
    if wrong:
        warn(f'{path} cannot be used ({wrong}), and is made again')
    if decoded is None:
        try:
            decoded, built = folder.build(title, key, write)
        except OSError as error:
            reason = error.strerror or error
            warn(f"cache='disk' cannot write to {folder.folder} ({reason}): memory is used")
            return None
    number, nbytes = folder.others(path)
    rest = f'; {number} other files there take {nbytes / 1e6:.1f} MB' if number else ''
    how = f'decoded into {path}' if built else f'found in {path}'
    _log(title, decoded, f'{how} in {time.monotonic() - began:.1f} s{rest}')
    return decoded


def _log(title: str, decoded: DecodedSamples, how: str) -> None:
    MMLogger.get_current_instance().info(
        f'{title}: {len(decoded)} samples, {decoded.nbytes / 1e6:.1f} MB, {how}'
    )
