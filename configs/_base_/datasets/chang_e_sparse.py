# Photographs by Chang'e 3 and 4 on which only some things are outlined, as tools/prepare_data.py coco-to-masks draws them:
# 2 artifact, 3 boulder, 4 crater, 5 rock, 6 rocky region, 7 rover path. What is outlined is right; most rocks are not outlined.
labels = [(2, 0), (3, 1), (4, 0), (5, 1), (7, 0)]
# all of it trains; a cross-validation holds out a part of it too
held_out = dict(split='train', val_fraction=0.0, fold=None)
photographs = dict(
    type='IndexedMaskDataset',
    data_root='{{$MOON_SPARSE:data/chang_e_sparse}}',
    classes=['background', 'rock'],
    load_size=(256, 256),
    cache='ram',
    **held_out,
)
# Chang'e 3 landed among rocks: what nobody outlined says nothing
among_rocks = dict(photographs, label_map=labels, ignore_index=[0, 1, 6])
# Chang'e 4's pictures show next to none
bare_ground = dict(photographs, label_map=[(0, 0), *labels], ignore_index=[1, 6])
outlined = [
    dict(among_rocks, img_prefix='C3_', mask_prefix='C3_'),
    dict(among_rocks, img_prefix='PCAM', mask_prefix='PCAM'),
    dict(bare_ground, img_prefix='chang4_', mask_prefix='chang4_'),
]
