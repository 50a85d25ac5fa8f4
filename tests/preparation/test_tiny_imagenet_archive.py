"""Tiny ImageNet's archive: unpacked whole, and never anything outside its folder."""

import io
import stat
import tarfile
import zipfile

import pytest
from pictures import complaint, contents

from tools.prepare_data import main

TOP = 'tiny-imagenet-200'
FILES = {f'{TOP}/wnids.txt': b'n1\n', f'{TOP}/train/n1/images/a.JPEG': b'one', f'{TOP}/val/val_annotations.txt': b'two'}


def make_tar(path, files, link=None):
    with tarfile.open(path, 'w:gz') as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
        if link:
            entry = tarfile.TarInfo(f'{TOP}/a')
            entry.type, entry.linkname = link, '/etc/passwd'
            archive.addfile(entry)
    return path


def make_zip(path, files, link=None):
    with zipfile.ZipFile(path, 'w') as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        if link:
            entry = zipfile.ZipInfo(f'{TOP}/a')
            entry.create_system, entry.external_attr = 3, (link | 0o777) << 16
            archive.writestr(entry, 'target')
    return path


def unpack(archive, out):
    return main(['tiny-imagenet', str(archive), '--out', str(out)])


@pytest.mark.parametrize(('make', 'name'), [(make_zip, 'a.tar'), (make_tar, 'no_suffix')])
def test_zip_and_tar_unpack_whatever_the_suffix(tmp_path, capsys, make, name):
    # as a Mac adds them
    archive, out = make(tmp_path / name, FILES | {f'__MACOSX/{TOP}/._wnids.txt': b''}), tmp_path / 'out'
    # what a killed run left is cleared away
    (out / f'.{TOP}.unfinished/train').mkdir(parents=True)
    assert unpack(archive, out) == 0 and contents(out) == FILES
    assert 'Unpacked 3 files, 1 classes' in capsys.readouterr().out
    # a second run does nothing
    (out / TOP / 'wnids.txt').write_bytes(b'changed by hand')
    assert unpack(archive, out) == 0 and 'already there' in capsys.readouterr().out
    assert contents(out) == FILES | {f'{TOP}/wnids.txt': b'changed by hand'}


EVIL = ['../evil', f'{TOP}/../../evil', '/evil', 'C:/evil', 'C:evil', f'{TOP}\\..\\..\\evil']
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
    assert unpack(archive, tmp_path / 'out') == 2 and words in complaint(capsys)
    assert list(tmp_path.iterdir()) == [archive], 'nothing may be written'


def test_what_is_damaged_or_half_there_is_refused(tmp_path, capsys):
    (tmp_path / 'other' / TOP / 'train').mkdir(parents=True)
    archive = make_zip(tmp_path / 'a.zip', FILES)
    assert unpack(archive, tmp_path / 'other') == 2 and 'move it away' in complaint(capsys)
    archive.write_bytes(archive.read_bytes().replace(b'two', b'owt'))
    cut = make_tar(tmp_path / 'cut.tar.gz', FILES | {f'{TOP}/train/big': bytes(range(256)) * 4000})
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    for damaged in (cut, archive):
        assert unpack(damaged, tmp_path / 'out') == 2
        assert 'is damaged' in complaint(capsys)
        assert contents(tmp_path / 'out') == {}
