"""Tiny ImageNet's archive: unpacked whole, and never anything outside its folder."""

import io
import stat
import tarfile
import zipfile

import pytest
from prepared import complaint, contents

from tools.prepare_data import main

FILES = {
    'tiny-imagenet-200/wnids.txt': b'n01\n',
    'tiny-imagenet-200/train/n01/images/n01_0.JPEG': b'one',
    'tiny-imagenet-200/val/val_annotations.txt': b'two',
}


def make_tar(path, files, extra=(), mode='w'):
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
        for entry in extra:
            archive.addfile(entry)
    return path


def make_zip(path, files, extra=()):
    with zipfile.ZipFile(path, 'w') as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        for entry in extra:
            archive.writestr(entry, 'target')
    return path


def tar_link(name, kind):
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, '/etc/passwd'
    return entry


def zip_link(name):
    entry = zipfile.ZipInfo(name)
    entry.create_system = 3
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


def unpack(archive, out):
    return main(['tiny-imagenet', str(archive), '--out', str(out)])


@pytest.mark.parametrize('kind', ['a.zip', 'B.ZIP', 'c.tar', 'd.tar.gz', 'e.TGZ', 'no_suffix'])
def test_zip_and_tar_unpack_whatever_the_suffix(tmp_path, capsys, kind):
    if kind.lower().endswith('zip'):
        archive = make_zip(tmp_path / kind, FILES)
    else:
        mode = 'w:gz' if kind.lower().endswith('gz') else 'w'
        archive = make_tar(tmp_path / kind, FILES, mode=mode)
    assert unpack(archive, tmp_path / 'out') == 0
    assert contents(tmp_path / 'out') == FILES
    assert 'Unpacked 3 files, 1 classes' in capsys.readouterr().out
    # a second run does nothing
    mark = tmp_path / 'out/tiny-imagenet-200/wnids.txt'
    mark.write_bytes(b'changed by hand')
    assert unpack(archive, tmp_path / 'out') == 0
    assert 'already there' in capsys.readouterr().out
    assert mark.read_bytes() == b'changed by hand'


INSIDE = 'tiny-imagenet-200'
EVIL = ['../evil', f'{INSIDE}/../../evil', '/evil', 'C:/evil', 'C:evil', '..\\evil']
EVIL += [f'{INSIDE}\\..\\..\\evil']
KINDS = dict(symlink=tarfile.SYMTYPE, hard=tarfile.LNKTYPE, pipe=tarfile.FIFOTYPE)
KINDS['device'] = tarfile.CHRTYPE
REFUSED = {
    **{f'zip {n}': (lambda p, n=n: make_zip(p, FILES | {n: b'evil'}), repr(n)) for n in EVIL},
    **{f'tar {n}': (lambda p, n=n: make_tar(p, FILES | {n: b'evil'}), repr(n)) for n in EVIL},
    **{
        name: (
            lambda p, kind=kind: make_tar(p, FILES, [tar_link(f'{INSIDE}/a', kind)]),
            'is a link or a device',
        )
        for name, kind in KINDS.items()
    },
    'zip symlink': (
        lambda p: make_zip(p, FILES, [zip_link(f'{INSIDE}/a')]),
        'is a link or a device',
    ),
    'no images': (
        lambda p: make_tar(p, {name: b'' for name in FILES if 'JPEG' not in name}),
        'not Tiny ImageNet',
    ),
}


@pytest.mark.parametrize('name', REFUSED)
def test_nothing_outside_its_folder_and_no_link_is_unpacked(tmp_path, capsys, name):
    make, words = REFUSED[name]
    archive = make(tmp_path / 'a')
    assert unpack(archive, tmp_path / 'out') == 2
    assert words in complaint(capsys)
    assert list(tmp_path.iterdir()) == [archive], 'nothing may be written'


def test_a_half_unpacked_target_is_not_taken_for_whole(tmp_path, capsys):
    archive = make_zip(tmp_path / 'a.zip', FILES)
    # of another program, and of a killed run, which is cleared away
    (tmp_path / 'other' / INSIDE / 'train').mkdir(parents=True)
    assert unpack(archive, tmp_path / 'other') == 2
    assert 'move it away' in complaint(capsys)
    (tmp_path / f'out/.{INSIDE}.unfinished/{INSIDE}/train').mkdir(parents=True)
    (tmp_path / f'out/.{INSIDE}.unfinished/{INSIDE}/train/half').write_bytes(b'')
    assert unpack(archive, tmp_path / 'out') == 0
    assert contents(tmp_path / 'out') == FILES


def test_a_damaged_archive_leaves_nothing(tmp_path, capsys):
    noise = {'tiny-imagenet-200/train/n01/big': bytes(range(256)) * 4000}
    whole = make_tar(tmp_path / 'a.tar.gz', FILES | noise, mode='w:gz').read_bytes()
    (tmp_path / 'cut.tar.gz').write_bytes(whole[: len(whole) // 2])
    archive = make_zip(tmp_path / 'a.zip', FILES)
    archive.write_bytes(archive.read_bytes().replace(b'two', b'owt'))
    for name in ('cut.tar.gz', 'a.zip'):
        assert unpack(tmp_path / name, tmp_path / 'out') == 2
        assert 'is damaged' in complaint(capsys)
        assert not list((tmp_path / 'out').glob('*')) + list((tmp_path / 'out').glob('.*'))
