"""TinyImageNet reads the archive's layout, and says what is wrong with it."""

import pytest

from custom_modules.datasets.tiny_imagenet import TinyImageNet
from custom_modules.utils.errors import UsageError


def test_labels_and_names(tiny_imagenet):
    train = TinyImageNet(tiny_imagenet)
    assert len(train) == 18
    assert train.metainfo['classes'] == ('red', 'green', 'n00000003')
    assert {
        (i['img_path'].split('/')[-3], i['gt_label']) for i in map(train.get_data_info, range(18))
    } == {
        ('n00000001', 0),
        ('n00000002', 1),
        ('n00000003', 2),
    }
    val = TinyImageNet(tiny_imagenet, 'val')
    assert [val.get_data_info(i)['gt_label'] for i in range(6)] == [0, 0, 1, 1, 2, 2]


def test_chosen_classes_keep_their_order(tiny_imagenet):
    wnids = ['n00000003', 'n00000001']
    val = TinyImageNet(tiny_imagenet, 'val', wnids=wnids)
    assert [val.get_data_info(i)['gt_label'] for i in range(len(val))] == [1, 1, 0, 0]
    assert val.metainfo['classes'] == ('n00000003', 'red')


def remove_class(root):
    for path in (root / 'train' / 'n00000002' / 'images').iterdir():
        path.unlink()


def remove_val_image(root):
    (root / 'val' / 'images' / 'val_3.JPEG').unlink()


def remove_words(root):
    (root / 'words.txt').unlink()


def unlist_class(root):
    path = root / 'val' / 'val_annotations.txt'
    path.write_text('\n'.join(x for x in path.read_text().splitlines() if 'n00000003' not in x))


@pytest.mark.parametrize(
    ('spoil', 'split', 'words'),
    [
        (remove_class, 'train', 'Class n00000002 has no .*JPEG'),
        (remove_val_image, 'val', '1 images .* are not in .*val_3.JPEG'),
        (remove_words, 'train', 'words.txt does not exist'),
        (unlist_class, 'val', '1 classes have no image .* n00000003'),
        (lambda root: None, 'test', "'train' or 'val', got 'test'"),
    ],
)
def test_each_mistake_gets_its_sentence(tiny_imagenet, spoil, split, words):
    spoil(tiny_imagenet)
    with pytest.raises(UsageError, match=words):
        TinyImageNet(tiny_imagenet, split)


def test_unknown_wnid_and_missing_folder(tiny_imagenet):
    with pytest.raises(UsageError, match='1 of the chosen wnids .* n12345678'):
        TinyImageNet(tiny_imagenet, wnids=['n00000001', 'n12345678'])
    with pytest.raises(UsageError, match='no such folder: run .*prepare_data.py tiny-imagenet'):
        TinyImageNet(tiny_imagenet.parent / 'nowhere')
