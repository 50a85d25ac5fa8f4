"""TinyImageNet reads the archive's layout; what is wrong with one is in faults/test_bad_files.py."""

from custom_modules.datasets.tiny_imagenet import TinyImageNet


def test_labels_and_names(tiny_imagenet):
    train = TinyImageNet(tiny_imagenet)
    assert len(train) == 18
    assert train.metainfo['classes'] == ('red', 'green', 'n00000003')
    infos = [train.get_data_info(i) for i in range(18)]
    found = {(info['img_path'].split('/')[-3], info['gt_label']) for info in infos}
    assert found == {('n00000001', 0), ('n00000002', 1), ('n00000003', 2)}
    val = TinyImageNet(tiny_imagenet, 'val')
    assert [val.get_data_info(i)['gt_label'] for i in range(6)] == [0, 0, 1, 1, 2, 2]
    # chosen classes keep their order
    val = TinyImageNet(tiny_imagenet, 'val', wnids=['n00000003', 'n00000001'])
    assert [val.get_data_info(i)['gt_label'] for i in range(len(val))] == [1, 1, 0, 0]
    assert val.metainfo['classes'] == ('n00000003', 'red')
