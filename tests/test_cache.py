"""Decoded samples: shared, the same as from the files, and never old ones."""

import copy
import errno
import gc
import multiprocessing
import os
import pickle
import random
import re
import shutil
import signal
import socket
from collections import namedtuple

import mmcv
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from PIL import Image
from spawned_reader import send_images

from custom_modules.datasets.decoded import (
    cache_folder,
    decode_once,
    keep_samples,
    memory_file,
    source_key,
)
from custom_modules.datasets.decoded.not_cacheable_error import NotCacheableError
from custom_modules.engine.config import without_cache
from custom_modules.utils.errors import UsageError

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
RESIZE = dict(type='ResizeToLoadSize')
PACK = dict(type='PackSegInputs')
AUGMENT = [
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomRotate', prob=0.5, degree=10, pad_val=0, seg_pad_val=255),
    dict(type='PhotoMetricDistortion'),
]


class Decodes:
    """Counts the files that this process decodes, and refuses on demand."""

    def __init__(self, monkeypatch) -> None:
        self.count, self.forbidden = 0, False
        real = mmcv.imfrombytes

        def counted(*args, **kwargs):
            assert not self.forbidden, 'a file was decoded'
            self.count += 1
            return real(*args, **kwargs)

        monkeypatch.setattr(mmcv, 'imfrombytes', counted)

    def of(self, act) -> int:
        before = self.count
        act()
        return self.count - before


@pytest.fixture
def decodes(monkeypatch):
    return Decodes(monkeypatch)


@pytest.fixture
def said(monkeypatch) -> list[str]:
    said = []
    for module in (decode_once, keep_samples):
        monkeypatch.setattr(module, 'warn', said.append)
    return said


@pytest.fixture(scope='module', autouse=True)
def quick_collection():
    """Each data set makes mmengine collect garbage, which looks at all that the libraries have made."""
    import custom_modules.classification
    import custom_modules.segmentation  # noqa: F401

    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'xdg'))
    return tmp_path / 'xdg' / 'lunar-rocks' / 'decoded'


def built(root, cache=None, pipeline=(*LOAD, RESIZE, PACK), **options):
    """Build a set of ten pairs; nothing is decoded for the cache yet."""
    import custom_modules.segmentation  # noqa: F401
    from custom_modules.datasets.indexed_mask_dataset import IndexedMaskDataset

    init_default_scope('mmseg')
    where = dict(img_path='images/render', seg_map_path='images/ground')
    given = dict(
        classes=('background', 'rock'),
        label_map=[(0, 0), (255, 1)],
        data_prefix=where,
        img_prefix='render',
        mask_prefix='ground',
        split='all',
        load_size=(32, 24),
        cache=cache,
        pipeline=copy.deepcopy(list(pipeline)),
    )
    return IndexedMaskDataset(str(root), **{**given, **options})


def filled(*args, **options):
    """As :func:`built`, and decoded, as a data loader of mmengine's runner finds it."""
    dataset = built(*args, **options)
    dataset.full_init()
    return dataset


def imagenet(root, cache=None, pipeline=()):
    import custom_modules.classification  # noqa: F401
    from custom_modules.datasets.tiny_imagenet import TinyImageNet

    init_default_scope('mmpretrain')
    pipeline = [LOAD[0], *pipeline, dict(type='PackInputs')]
    dataset = TinyImageNet(root, pipeline=pipeline, cache=cache)
    dataset.full_init()
    return dataset


def all_of(dataset) -> list:
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    return [dataset[i] for i in range(len(dataset))]


def assert_same(one, other) -> None:
    """Compare samples or batches in every key, type and value."""
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            assert_same(*pair)
    elif isinstance(one, (torch.Tensor, np.ndarray)):
        assert one.dtype == other.dtype and one.shape == other.shape
        assert bool((one == other).all())
    elif hasattr(one, 'metainfo_items'):
        assert_same(dict(one.metainfo_items()), dict(other.metainfo_items()))
        assert_same(dict(one.items()), dict(other.items()))
    else:
        assert one == other


# --- the same samples


@pytest.mark.parametrize('cache', ['ram', 'disk'])
@pytest.mark.parametrize(
    'pipeline',
    [
        # all that the transforms hand on
        (*LOAD, RESIZE),
        (*LOAD, RESIZE, PACK),
        (*LOAD, dict(type='Resize', scale=(40, 20), keep_ratio=True), PACK),
        (*LOAD, RESIZE, *AUGMENT, PACK),
    ],
)
def test_cached_and_uncached_give_the_same(moon, decodes, cache, pipeline):
    plain = all_of(built(moon, None, pipeline))
    dataset = filled(moon, cache, pipeline)
    decodes.forbidden = True
    for _ in range(2):
        assert_same(all_of(dataset), plain)


@pytest.mark.parametrize(
    ('pipeline', 'kept'),
    [
        ([], (64, 64)),
        ([dict(type='Resize', scale=(48, 40))], (40, 48)),
        ([dict(type='ResizeEdge', scale=48), dict(type='CenterCrop', crop_size=40)], (40, 40)),
        # what follows a random step is not kept
        (
            [dict(type='RandomResizedCrop', scale=32), dict(type='Resize', scale=(48, 40))],
            (64, 64),
        ),
    ],
)
def test_tiny_imagenet(tiny_imagenet, decodes, pipeline, kept):
    plain = all_of(imagenet(tiny_imagenet, None, pipeline))
    dataset = imagenet(tiny_imagenet, 'ram', pipeline)
    decodes.forbidden = True
    assert_same(all_of(dataset), plain)
    assert dataset._decoded.add_to({}, 0)['img'].shape == (*kept, 3)


def test_sizes_may_differ(moon, decodes):
    for name, size in (('0003', (50, 70)), ('0007', (30, 20))):
        for kind in ('render', 'ground'):
            path = moon / 'images' / kind / f'{kind}{name}.png'
            with Image.open(path) as picture:
                picture.resize(size, Image.Resampling.NEAREST).save(path)
    plain = all_of(built(moon, load_size=None))
    assert len({sample['inputs'].shape for sample in plain}) == 3
    for cache in ('ram', 'disk'):
        dataset = filled(moon, cache, load_size=None)
        assert_same(all_of(dataset), plain)
    decodes.forbidden = True
    assert_same(all_of(filled(moon, 'disk', load_size=None)), plain)


def test_a_part_and_a_subset(moon, decodes):
    plain = all_of(built(moon))
    assert_same(filled(moon, 'ram')[-1], plain[-1])
    part = filled(moon, 'ram', indices=[7, 2])
    subset = filled(moon, 'ram').get_subset([4, 6])
    first = filled(moon, 'ram')
    first.get_subset_(3)
    # places mean other samples than those that were decoded
    for dataset, indices in ((part, [7, 2]), (subset, [4, 6]), (first, [0, 1, 2])):
        for _ in range(2):
            paths = [sample['data_samples'].img_path for sample in all_of(dataset)]
            assert paths == [plain[i]['data_samples'].img_path for i in indices]
            assert_same(
                [sample['inputs'] for sample in all_of(dataset)],
                [plain[i]['inputs'] for i in indices],
            )
            dataset.full_init()
        assert decodes.of(lambda dataset=dataset: all_of(dataset)) == 0


@pytest.mark.parametrize('cache', ['ram', 'disk'])
def test_what_is_handed_out_may_be_changed(moon, cache):
    pipeline = (*LOAD, RESIZE)
    plain = all_of(built(moon, None, pipeline))
    dataset = filled(moon, cache, pipeline)
    for sample in all_of(dataset):
        sample['img'][:] = 7
        sample['gt_seg_map'] += 9
        sample['seg_fields'].append('more')
    assert_same(all_of(dataset), plain)
    assert not dataset._decoded._pixels.flags.writeable


def test_another_pipeline_later(moon, decodes, said):
    dataset = filled(moon, 'ram')
    # mmengine's PipelineSwitchHook; the loading steps are other objects that do the same
    dataset.pipeline = Compose([*LOAD, RESIZE, AUGMENT[0], PACK])
    assert decodes.of(lambda: all_of(dataset)) == 0 and said == []
    pipeline = [*LOAD, dict(type='Resize', scale=(40, 20)), PACK]
    dataset.pipeline = Compose(pipeline)
    assert_same(all_of(dataset), all_of(built(moon, None, pipeline)))
    assert len(said) == 1 and 'loads otherwise' in said[0]


@pytest.mark.parametrize('cache', ['ram', 'disk'])
def test_filling_draws_no_number(moon, cache):
    dataset = built(moon, cache)

    def state():
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()

    before = state()
    dataset.full_init()
    assert dataset._decoded is not None and state() == before


# --- when it is filled, and when not


def test_it_is_filled_for_a_data_loader_only(moon, decodes):
    from custom_modules.datasets.masks import ClassPixels

    dataset = built(moon, 'ram')
    assert len(dataset) == 10 and dataset.get_data_info(0) and dataset[3]
    ClassPixels.of(dataset)
    assert dataset._decoded is None
    assert decodes.of(dataset.full_init) == 20
    assert decodes.of(dataset.full_init) == 0
    assert decodes.of(lambda: built(moon, 'ram', lazy_init=True)) == 0


def test_the_configs_share_one_memory(moon, decodes, monkeypatch, repository):
    monkeypatch.setenv('MOON_DATA', str(moon))
    monkeypatch.setenv('MOON_MULTICLASS_DATA', str(moon))
    monkeypatch.setenv('TINY_IMAGENET', str(moon))
    for name in ('unet_baseline', 'multiclass/unet_r34', 'classifier_14_classes'):
        cfg = Config.fromfile(repository / f'configs/{name}.py')
        for part in ('train', 'val', 'test'):
            assert cfg[f'{part}_dataloader'].dataset.cache == 'ram'
    cfg = Config.fromfile(repository / 'configs/unet_baseline.py')
    import custom_modules.segmentation  # noqa: F401

    init_default_scope('mmseg')
    assert decodes.of(lambda: Runner.build_dataloader(cfg.val_dataloader)) > 0
    # one pass gains nothing
    once = without_cache(cfg.val_dataloader)
    assert decodes.of(lambda: Runner.build_dataloader(once)) == 0
    assert cfg.val_dataloader.dataset.cache == 'ram' and once['dataset']['cache'] is None


@pytest.mark.parametrize(
    ('pipeline', 'words'),
    [
        ((dict(type='LoadImageFromFile', to_float32=True), LOAD[1], PACK), 'img .* float32'),
        ((dict(type='RandomFlip', prob=0.0), *LOAD, PACK), 'begins with RandomFlip'),
    ],
)
def test_what_cannot_be_kept_is_decoded_each_time(moon, said, pipeline, words):
    dataset = filled(moon, 'ram', pipeline)
    assert dataset._decoded is None
    assert len(said) == 1 and re.search(words, said[0])


def test_a_broken_file_is_an_error_where_it_is_used(moon, said):
    (moon / 'images' / 'render' / 'render0004.png').write_bytes(b'no picture')
    dataset = filled(moon, 'ram', check=False)
    assert len(said) == 1 and 'sample 4 cannot be loaded' in said[0]
    assert dataset[3]
    with pytest.raises(Exception):
        dataset[4]


def test_an_unknown_cache_is_a_mistake(moon):
    with pytest.raises(UsageError, match="'ram', 'disk' or None, got 'gpu'"):
        built(moon, 'gpu')


# --- never old ones


def rewrite(moon) -> None:
    """Other pixels in a file of the same size, with the old date."""
    path = moon / 'images' / 'render' / 'render0002.png'
    stat = path.stat()
    Image.fromarray(np.full((64, 64, 3), 200, np.uint8)).save(path, compress_level=0)
    with path.open('r+b') as file:
        file.truncate(max(stat.st_size, path.stat().st_size))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def touch(moon) -> None:
    os.utime(moon / 'images' / 'ground' / 'ground0002.png')


def add_pair(moon) -> None:
    for kind in ('render', 'ground'):
        of = moon / 'images' / kind
        shutil.copy(of / f'{kind}0001.png', of / f'{kind}0010.png')


@pytest.mark.parametrize('cache', ['ram', 'disk'])
@pytest.mark.parametrize('change', [rewrite, touch, add_pair])
def test_changed_files_are_decoded_again(moon, decodes, folder, cache, change):
    old = filled(moon, cache)
    change(moon)
    new = built(moon, cache)
    assert decodes.of(new.full_init) == 2 * len(new)
    assert_same(all_of(new), all_of(built(moon)))
    if cache == 'disk':
        # what can be of no use is removed; other sets of files may come again
        assert len(list(folder.iterdir())) == (2 if change is add_pair else 1)
    elif change is not add_pair:
        # a run goes on as it began, and looks again when it is told to
        assert decodes.of(lambda: all_of(old)) == 0
        old.full_init()
        assert_same(all_of(old), all_of(built(moon)))


@pytest.mark.parametrize(
    'options',
    [
        dict(load_size=(24, 32)),
        dict(label_map=[(0, 1), (255, 0)]),
        dict(pipeline=(dict(type='LoadImageFromFile', color_type='grayscale'), LOAD[1], PACK)),
        dict(indices=4),
    ],
)
def test_other_options_are_other_samples(moon, decodes, folder, options):
    filled(moon, 'disk')
    other = built(moon, 'disk', **options)
    assert decodes.of(other.full_init) == 2 * len(other)
    assert_same(all_of(other), all_of(built(moon, **options)))
    # both are of use
    decodes.forbidden = True
    filled(moon, 'disk')
    # under another relative name too, and with another augmentation
    where = os.path.relpath(moon)
    dataset = filled(where, 'disk', (*LOAD, RESIZE, *AUGMENT, PACK))
    assert len(dataset) == 10 and len(list(folder.iterdir())) == 2


def test_another_library_decodes_again(moon, decodes, folder, monkeypatch):
    filled(moon, 'disk')
    monkeypatch.setattr(source_key.cv2, '__version__', '99')
    assert decodes.of(lambda: filled(moon, 'disk')) == 20
    assert len(list(folder.iterdir())) == 1


def test_a_file_that_changes_meanwhile(moon, monkeypatch, said):
    real = decode_once.decode_all

    def decode_all(*args):
        yield from real(*args)
        touch(moon)

    monkeypatch.setattr(decode_once, 'decode_all', decode_all)
    assert filled(moon, 'ram')._decoded is None
    assert len(said) == 1 and 'changed while they were read' in said[0]


# --- recovery


def cut(path) -> None:
    with path.open('r+b') as file:
        file.truncate(path.stat().st_size - 100)


def empty(path) -> None:
    path.write_bytes(b'')


def garble_header(path) -> None:
    with path.open('r+b') as file:
        file.write(os.urandom(64))


def flip_a_bit(path) -> None:
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize('damage', [cut, empty, garble_header, flip_a_bit])
def test_a_damaged_file_is_made_again(moon, decodes, folder, said, damage):
    filled(moon, 'disk')
    (path,) = folder.iterdir()
    damage(path)
    dataset = built(moon, 'disk')
    assert decodes.of(dataset.full_init) == 20
    assert len(said) == 1 and str(path) in said[0] and 'made again' in said[0]
    assert_same(all_of(dataset), all_of(built(moon)))
    assert decodes.of(lambda: filled(moon, 'disk')) == 0 and list(folder.iterdir()) == [path]


def test_leftovers_are_removed(moon, folder):
    folder.mkdir(parents=True)
    ended = multiprocessing.get_context('fork').Process(target=int)
    ended.start()
    ended.join()
    host = socket.gethostname()
    names = {
        f'{host}.{ended.pid}': False,
        # it still writes
        f'{host}.{os.getppid()}': True,
        'elsewhere.77': True,
        'long-ago.78': False,
    }
    for name in names:
        (folder / f'.x.decoded.{name}.part').write_bytes(b'half')
    os.utime(folder / '.x.decoded.long-ago.78.part', (0, 0))
    filled(moon, 'disk')
    left = {name for name in names if (folder / f'.x.decoded.{name}.part').exists()}
    assert left == {name for name, stays in names.items() if stays}


def no_space(*args):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def little_space(monkeypatch) -> None:
    usage = namedtuple('usage', 'free')
    monkeypatch.setattr(cache_folder.shutil, 'disk_usage', lambda path: usage(1000))


def full_at_the_end(monkeypatch) -> None:
    monkeypatch.setattr(cache_folder.os, 'fsync', no_space)


@pytest.mark.parametrize('full', [little_space, full_at_the_end])
def test_a_full_disk(moon, folder, said, monkeypatch, decodes, full):
    full(monkeypatch)
    dataset = filled(moon, 'disk')
    assert len(said) == 1 and 'No space left on device' in said[0] and 'memory is used' in said[0]
    assert list(folder.iterdir()) == []
    plain = all_of(built(moon))
    decodes.forbidden = True
    assert_same(all_of(dataset), plain)


def test_a_folder_that_cannot_be_written(moon, tmp_path, said):
    (tmp_path / 'file').touch()
    dataset = filled(moon, 'disk', cache_dir=str(tmp_path / 'file' / 'folder'))
    assert len(said) == 1 and 'cannot write' in said[0]
    assert_same(all_of(dataset), all_of(built(moon)))


def test_little_memory(moon, said, monkeypatch):
    monkeypatch.setattr(memory_file, 'available_memory', lambda: 1000)
    dataset = filled(moon, 'ram')
    assert dataset._decoded is None and len(said) == 1
    assert re.search(r"cache='ram' needs .* MB more, and 0 MB .* anew in each epoch", said[0])
    assert_same(all_of(dataset), all_of(built(moon)))


def test_processes_on_one_machine_share_its_memory(monkeypatch):
    monkeypatch.setattr(memory_file, 'available_memory', lambda: 1000)
    monkeypatch.delenv('LOCAL_WORLD_SIZE', raising=False)
    memory_file.require_memory(300)
    monkeypatch.setenv('LOCAL_WORLD_SIZE', '2')
    memory_file.require_memory(300)
    monkeypatch.setenv('LOCAL_WORLD_SIZE', '3')
    # 900 bytes; a fifth is for the rest
    with pytest.raises(NotCacheableError, match='more in each of 3 processes'):
        memory_file.require_memory(300)
    monkeypatch.delenv('LOCAL_WORLD_SIZE')
    # of a launcher that does not say how many are here
    monkeypatch.setattr(memory_file, 'get_world_size', lambda: 3)
    with pytest.raises(NotCacheableError):
        memory_file.require_memory(300)


def test_an_interrupted_build_leaves_nothing(moon, folder, monkeypatch):
    monkeypatch.setattr(
        cache_folder.os, 'fsync', lambda file: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        filled(moon, 'disk')
    assert list(folder.iterdir()) == []


def die(*args) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_half_way(monkeypatch) -> None:
    real = decode_once.decode_all

    def decode_all(*args):
        for index, sample in enumerate(real(*args)):
            if index == 5:
                die()
            yield sample

    monkeypatch.setattr(decode_once, 'decode_all', decode_all)


def die_before_it_is_on_the_disk(monkeypatch) -> None:
    monkeypatch.setattr(cache_folder.os, 'fsync', die)


def die_before_it_has_its_name(monkeypatch) -> None:
    monkeypatch.setattr(cache_folder.os, 'replace', die)


@pytest.mark.parametrize(
    'death', [die_half_way, die_before_it_is_on_the_disk, die_before_it_has_its_name]
)
def test_a_killed_build_is_not_taken_for_whole(moon, folder, said, decodes, death):
    def build_and_die() -> None:
        with pytest.MonkeyPatch.context() as patch:
            death(patch)
            filled(moon, 'disk')

    process = multiprocessing.get_context('fork').Process(target=build_and_die)
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    # nothing cleaned up behind it
    assert sorted(path.suffix for path in folder.iterdir()) == ['.lock', '.part']
    dataset = built(moon, 'disk')
    assert decodes.of(dataset.full_init) == 20 and said == []
    assert_same(all_of(dataset), all_of(built(moon)))
    assert [path.suffix for path in folder.iterdir()] == ['.decoded']
    assert decodes.of(lambda: filled(moon, 'disk')) == 0


# --- processes


@pytest.mark.parametrize('cache', ['ram', 'disk'])
def test_workers_decode_nothing(moon, decodes, cache):
    plain = all_of(built(moon))
    loader = dict(
        batch_size=4,
        num_workers=2,
        persistent_workers=cache == 'ram',
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=built(moon, cache),
    )
    loader['dataset'].full_init()
    # workers are forks: they inherit this, and have no file either
    decodes.forbidden = True
    shutil.rmtree(moon)
    loader = Runner.build_dataloader(loader)
    for _ in range(2):
        batches = list(loader)
        assert [len(batch['inputs']) for batch in batches] == [4, 4, 2]
        assert_same([image for b in batches for image in b['inputs']], [s['inputs'] for s in plain])
        samples = [sample for batch in batches for sample in batch['data_samples']]
        assert_same(samples, [sample['data_samples'] for sample in plain])


def test_a_spawned_process_shares_them_too(moon, folder):
    several = [filled(moon, cache)._decoded for cache in ('ram', 'disk')]
    # another run may have removed the file
    shutil.rmtree(folder)
    spawn = multiprocessing.get_context('spawn')
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=send_images, args=(several, theirs))
    process.start()
    assert ours.poll(60)
    images, writeable = ours.recv()
    expected = several[0].add_to({}, 9)['img']
    assert_same(images, [expected, expected])
    assert writeable == [False, False]
    process.join()


def test_memory_cannot_be_sent(moon):
    with pytest.raises(UsageError, match="cache='disk'"):
        pickle.dumps(filled(moon, 'ram'))
    dataset = filled(moon, 'disk')
    assert_same(all_of(pickle.loads(pickle.dumps(dataset))), all_of(dataset))
    twin = filled(moon, 'ram')
    assert copy.deepcopy(twin)._decoded is twin._decoded


def test_a_worker_never_fills(moon, decodes, monkeypatch, said):
    monkeypatch.setattr(decode_once, 'get_worker_info', lambda: 'a worker')
    dataset = filled(moon, 'ram')
    assert decodes.count == 0
    assert_same(all_of(dataset), all_of(built(moon)))
    assert len(said) == 1 and 'call full_init()' in said[0]


def build_at_once(moon, barrier, connection) -> None:
    barrier.wait()
    dataset = filled(moon, 'disk')
    connection.send([sample['inputs'].numpy() for sample in all_of(dataset)])


@pytest.mark.parametrize('patience', [60, -1])
def test_two_processes_build_at_once(moon, folder, monkeypatch, said, patience):
    # -1: no lock, as on some network drives
    real = cache_folder.only_builder
    monkeypatch.setattr(cache_folder, 'only_builder', lambda path: real(path, patience))
    fork = multiprocessing.get_context('fork')
    barrier, pipes = fork.Barrier(2), [fork.Pipe() for _ in range(2)]
    processes = [fork.Process(target=build_at_once, args=(moon, barrier, p[1])) for p in pipes]
    for process in processes:
        process.start()
    plain = [sample['inputs'].numpy() for sample in all_of(built(moon))]
    for ours, _ in pipes:
        assert ours.poll(60)
        assert_same(ours.recv(), plain)
    for process in processes:
        process.join()
    assert [path.suffix for path in folder.iterdir()] == ['.decoded'] and said == []
