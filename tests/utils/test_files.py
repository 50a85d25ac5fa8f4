"""A file is whole or not there, and nothing that is there is overwritten unasked."""

import errno
import os
from unittest import mock

import pytest
from arguments import require_free_folder

from custom_modules.utils.errors import UsageError, reporting_errors, sentence_of
from custom_modules.utils.files import atomic_path, remove_unfinished, write_atomically


@pytest.mark.parametrize('moment', ['replace', 'fsync'])
def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch, moment):
    path = tmp_path / 'a folder' / f'{"é" * 122}.pth'
    for content in (b'long content', b'old'):
        write_atomically(path, content, sync=False)
    monkeypatch.setattr(os, moment, mock.Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b'new')
    assert path.read_bytes() == b'old' and list(path.parent.iterdir()) == [path]


def test_the_error_names_the_file_and_not_its_neighbour(tmp_path):
    with pytest.raises(OSError) as caught, atomic_path(tmp_path / 'a.bin'):
        raise OSError(errno.ENOSPC, 'No space left on device')
    assert sentence_of(caught.value).startswith(f'{tmp_path / "a.bin"} could not be')
    assert not os.listdir(tmp_path)


def test_what_a_killed_write_left_is_removed_and_nothing_else(tmp_path):
    for name in ('.epoch_3.pth.99.unfinished', 'epoch_3.pth', '.hidden', 'a.unfinished'):
        (tmp_path / name).write_bytes(b'x')
    (tmp_path / 'deeper').mkdir()
    (tmp_path / 'deeper' / '.b.1.unfinished').write_bytes(b'x')
    assert [path.name for path in remove_unfinished(tmp_path)] == ['.epoch_3.pth.99.unfinished']
    assert len(os.listdir(tmp_path)) == 4 and len(os.listdir(tmp_path / 'deeper')) == 1


def test_nothing_is_overwritten_unasked(tmp_path):
    require_free_folder(tmp_path / 'out', ['*.png'])
    (tmp_path / 'a.png').touch()
    with pytest.raises(UsageError, match='a.png exists already'):
        require_free_folder(tmp_path, ['b.md', '*.png'])
    with pytest.raises(UsageError, match='a.png is a file, but --out is a folder'):
        require_free_folder(tmp_path / 'a.png' / 'out', ['*.png'])


def test_a_defect_keeps_its_traceback():
    for error in (ValueError('x'), FileNotFoundError(2, 'No such file', 'a'), OSError('odd')):
        assert sentence_of(error) is None
        with pytest.raises(type(error)):
            reporting_errors(lambda error=error: (_ for _ in ()).throw(error))()
