"""Tiny ImageNet's archive: unpacked whole, and never anything outside its folder."""

import io
import stat
import tarfile
import zipfile

import pytest

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


def unpacked(out):
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob('*') if p.is_file()}


@pytest.mark.parametrize('kind', ['a.zip', 'B.ZIP', 'c.tar', 'd.tar.gz', 'e.TGZ', 'no_suffix'])
def test_zip_and_tar_unpack_whatever_the_suffix(tmp_path, capsys, kind):
    if kind.lower().endswith('zip'):
        archive = make_zip(tmp_path / kind, FILES)
    else:
        mode = 'w:gz' if kind.lower().endswith('gz') else 'w'
        archive = make_tar(tmp_path / kind, FILES, mode=mode)
    assert unpack(archive, tmp_path / 'out') == 0
    assert unpacked(tmp_path / 'out') == FILES
    assert 'Unpacked 3 files, 1 classes' in capsys.readouterr().out


def test_leading_dots_and_foreign_folders_are_no_trouble(tmp_path):
    files = {f'./{name}': data for name, data in FILES.items()} | {'__MACOSX/x': b'junk'}
    assert unpack(make_tar(tmp_path / 'a.tar', files), tmp_path / 'out') == 0
    assert unpacked(tmp_path / 'out') == FILES


def test_second_run_does_nothing(tmp_path, capsys):
    archive = make_zip(tmp_path / 'a.zip', FILES)
    assert unpack(archive, tmp_path / 'out') == 0
    mark = tmp_path / 'out/tiny-imagenet-200/wnids.txt'
    mark.write_bytes(b'changed by hand')
    assert unpack(archive, tmp_path / 'out') == 0
    assert 'already there' in capsys.readouterr().out
    assert mark.read_bytes() == b'changed by hand'


EVIL_NAMES = [
    '../evil',
    'tiny-imagenet-200/../../evil',
    '/evil',
    'C:/evil',
    'C:evil',
    '..\\evil',
    'tiny-imagenet-200\\..\\..\\evil',
]


@pytest.mark.parametrize('make', [make_zip, make_tar])
@pytest.mark.parametrize('name', EVIL_NAMES)
def test_an_entry_outside_the_target_is_refused(tmp_path, capsys, make, name):
    archive = make(tmp_path / 'a', FILES | {name: b'evil'})
    assert unpack(archive, tmp_path / 'out') == 2
    complaint = capsys.readouterr().err
    assert repr(name) in complaint
    assert complaint.count('\n') == 1
    assert list(tmp_path.iterdir()) == [archive], 'nothing may be written'


@pytest.mark.parametrize(
    'entry',
    [
        tar_link('tiny-imagenet-200/link', tarfile.SYMTYPE),
        tar_link('tiny-imagenet-200/link', tarfile.LNKTYPE),
        tar_link('tiny-imagenet-200/pipe', tarfile.FIFOTYPE),
        tar_link('tiny-imagenet-200/device', tarfile.CHRTYPE),
        zip_link('tiny-imagenet-200/link'),
    ],
    ids=['symlink', 'hard link', 'pipe', 'device', 'zip symlink'],
)
def test_links_and_devices_are_refused(tmp_path, capsys, entry):
    make = make_zip if isinstance(entry, zipfile.ZipInfo) else make_tar
    archive = make(tmp_path / 'a', FILES, [entry])
    assert unpack(archive, tmp_path / 'out') == 2
    assert 'is a link or a device' in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [archive]


def test_other_archives_and_other_files(tmp_path, capsys):
    assert unpack(tmp_path / 'missing.zip', tmp_path / 'out') == 2
    assert 'is not a file' in capsys.readouterr().err
    plain = tmp_path / 'plain.zip'
    plain.write_bytes(b'just text')
    assert unpack(plain, tmp_path / 'out') == 2
    assert 'neither a zip nor a tar' in capsys.readouterr().err
    for lacking in ('wnids.txt', 'train/n01/images/n01_0.JPEG'):
        files = {k: v for k, v in FILES.items() if not k.endswith(lacking)}
        assert unpack(make_tar(tmp_path / 'a.tar', files), tmp_path / 'out') == 2
        assert 'not Tiny ImageNet' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_a_damaged_archive_leaves_nothing(tmp_path, capsys):
    noise = {'tiny-imagenet-200/train/n01/big': bytes(range(256)) * 4000}
    whole = make_tar(tmp_path / 'a.tar.gz', FILES | noise, mode='w:gz').read_bytes()
    (tmp_path / 'cut.tar.gz').write_bytes(whole[: len(whole) // 2])
    archive = make_zip(tmp_path / 'a.zip', FILES)
    archive.write_bytes(archive.read_bytes().replace(b'two', b'owt'))
    for name in ('cut.tar.gz', 'a.zip'):
        assert unpack(tmp_path / name, tmp_path / 'out') == 2
        complaint = capsys.readouterr().err
        assert 'is damaged' in complaint
        assert complaint.count('\n') == 1
        assert not list((tmp_path / 'out').glob('*')) + list((tmp_path / 'out').glob('.*'))


def test_a_half_unpacked_target_is_not_taken_for_whole(tmp_path, capsys):
    (tmp_path / 'out/tiny-imagenet-200/train').mkdir(parents=True)
    assert unpack(make_zip(tmp_path / 'a.zip', FILES), tmp_path / 'out') == 2
    assert 'move it away' in capsys.readouterr().err


def test_a_killed_run_is_cleared_away(tmp_path):
    stale = tmp_path / 'out/.tiny-imagenet-200.unfinished/tiny-imagenet-200/train'
    stale.mkdir(parents=True)
    (stale / 'half').write_bytes(b'')
    assert unpack(make_zip(tmp_path / 'a.zip', FILES), tmp_path / 'out') == 0
    assert unpacked(tmp_path / 'out') == FILES


def test_ctrl_c_is_a_short_line(tmp_path, capsys, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr('custom_modules.preparation.tiny_imagenet.ArchiveEntries.read', interrupt)
    assert unpack(make_zip(tmp_path / 'a.zip', FILES), tmp_path / 'out') == 130
    assert capsys.readouterr().err.count('\n') == 1
    assert not list((tmp_path / 'out').iterdir())


@pytest.mark.parametrize('top', ['', 'Downloads/tiny-imagenet-200/tiny-imagenet-200/', 'tiny/'])
def test_the_top_folder_may_be_missing_doubled_or_another(tmp_path, top):
    files = {top + name.removeprefix('tiny-imagenet-200/'): data for name, data in FILES.items()}
    mac = {f'__MACOSX/{top}._wnids.txt': b'x', f'{top}train/.DS_Store': b'x'}
    assert unpack(make_zip(tmp_path / 'a.zip', mac | files), tmp_path / 'out') == 0
    assert unpacked(tmp_path / 'out') == FILES
