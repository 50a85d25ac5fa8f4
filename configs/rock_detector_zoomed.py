# First stage of rock_detector.py: the detector of synthetic scenes, trained on with renders, photographs and sparsely labelled
# ones, in windows that zoom in. checkpoints/rock_detector.md has the commands that make its data.
#   python tools/train.py configs/rock_detector_zoomed.py
_base_ = ['./rock_detector_synthetic.py', './_base_/datasets/chang_e_sparse.py']
checkpoint = '{{fileDirname}}/../checkpoints/rock_detector_synthetic.pth'
head = dict(loss_decode=_base_.losses.bce_dice)
model = dict(init_cfg=dict(type='Pretrained', checkpoint=checkpoint), decode_head=head)
real = dict(_base_.moon, load_size=(384, 256), split='train', pipeline=_base_.zoom_pipeline)
more = dict(real, data_root='{{$MOON_FURTHER:data/further/MOON_SEGMENTATION_BINARY}}', split='all')
photos = dict(real, data_root='{{$MOON_PHOTOS:data/MOON_PHOTOS_BINARY}}', **_base_.held_out)
scenes = dict(real, data_root='{{$MOON_SCENES:data/moon_synthetic_800}}', train_fraction=0.25)
sparse = [(dict(part, pipeline=_base_.zoom_pipeline), 1) for part in _base_.outlined]
parts = [(real, 3), (more, 3), (photos, 12), (scenes, 1), *sparse]
parts = [dict(type='RepeatDataset', times=n, dataset=part) for part, n in parts]
train_dataloader = dict(dataset=dict(type='ConcatDataset', datasets=parts, _delete_=True))
optim_wrapper = dict(optimizer=dict(lr=1e-3))
train_cfg = dict(max_epochs=25)
tta_pipeline = _base_.scales_tta_pipeline
