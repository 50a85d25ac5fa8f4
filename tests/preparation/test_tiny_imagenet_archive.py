"""Tiny ImageNet's archive: unpacked whole, and never anything outside its folder."""

import io
import stat
import tarfile
import zipfile

import pytest
from pictures import complaint, contents

from tools.prepare_data import main

INSIDE = 'tiny-imagenet-200'
FILES = {
    'tiny-imagenet-200/wnids.txt': b'n01\n',
    'tiny-imagenet-200/train/n01/images/n01_0.JPEG': b'one',
    'tiny-imagenet-200/val/val_annotations.txt': b'two',
}


def make_tar(path, files, link=None, mode='w'):
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
        if link:
            entry = tarfile.TarInfo(f'{INSIDE}/a')
            entry.type, entry.linkname = link, '/etc/passwd'
            archive.addfile(entry)
    return path


def make_zip(path, files, link=None):
    with zipfile.ZipFile(path, 'w') as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        if link:
            entry = zipfile.ZipInfo(f'{INSIDE}/a')
            entry.create_system, entry.external_attr = 3, (link | 0o777) << 16
            archive.writestr(entry, 'target')
    return path


def unpack(archive, out):
    return main(['tiny-imagenet', str(archive), '--out', str(out)])


@pytest.mark.parametrize(('name', 'mode'), [('a.ZIP', None), ('c.tar', 'w'), ('d.tgz', 'w:gz'), ('no_suffix', 'w')])
def test_zip_and_tar_unpack_whatever_the_suffix(tmp_path, capsys, name, mode):
    # as a Mac adds them
    more = FILES | {'__MACOSX/tiny-imagenet-200/._wnids.txt': b''}
    archive = make_tar(tmp_path / name, more, mode=mode) if mode else make_zip(tmp_path / name, more)
    # what a killed run left is cleared away
    (tmp_path / f'out/.{INSIDE}.unfinished/train').mkdir(parents=True)
    assert unpack(archive, tmp_path / 'out') == 0
    assert contents(tmp_path / 'out') == FILES
    assert 'Unpacked 3 files, 1 classes' in capsys.readouterr().out
    # a second run does nothing
    mark = tmp_path / 'out/tiny-imagenet-200/wnids.txt'
    mark.write_bytes(b'changed by hand')
    assert unpack(archive, tmp_path / 'out') == 0
    assert 'already there' in capsys.readouterr().out
    assert mark.read_bytes() == b'changed by hand'


EVIL = ['../evil', f'{INSIDE}/../../evil', '/evil', 'C:/evil', 'C:evil', f'{INSIDE}\\..\\..\\evil']
LINKS = [(make_tar, kind) for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE)]


@pytest.mark.parametrize(
    ('make', 'more', 'link', 'words'),
    [
        *((make, {name: b'evil'}, None, repr(name)) for make in (make_tar, make_zip) for name in EVIL),
        *((make, {}, kind, 'is a link or a device') for make, kind in [*LINKS, (make_zip, stat.S_IFLNK)]),
    ],
)
def test_nothing_outside_its_folder_and_no_link_is_unpacked(tmp_path, capsys, make, more, link, words):
    archive = make(tmp_path / 'a', FILES | more, link)
    assert unpack(archive, tmp_path / 'out') == 2
    assert words in complaint(capsys)
    assert list(tmp_path.iterdir()) == [archive], 'nothing may be written'


def test_what_is_damaged_or_half_there_is_refused(tmp_path, capsys):
    (tmp_path / 'other' / INSIDE / 'train').mkdir(parents=True)
    archive = make_zip(tmp_path / 'a.zip', FILES)
    assert unpack(archive, tmp_path / 'other') == 2
    assert 'move it away' in complaint(capsys)
    noise = {'tiny-imagenet-200/train/n01/big': bytes(range(256)) * 4000}
    whole = make_tar(tmp_path / 'a.tar.gz', FILES | noise, mode='w:gz').read_bytes()
    (tmp_path / 'cut.tar.gz').write_bytes(whole[: len(whole) // 2])
    archive.write_bytes(archive.read_bytes().replace(b'two', b'owt'))
    for name in ('cut.tar.gz', 'a.zip'):
        assert unpack(tmp_path / name, tmp_path / 'out') == 2
        assert 'is damaged' in complaint(capsys)
        assert not list((tmp_path / 'out').glob('*')) + list((tmp_path / 'out').glob('.*'))
