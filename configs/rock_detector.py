# The best detector within the budget: that of synthetic scenes, trained on with all real renders at hand, and with scenes that
# look like photographs.
#   python tools/prepare_data.py lunar SRC --only ground --without-pebbles --out data/further
#   python tools/prepare_data.py synthetic --style photo --count 1000 --seed 1 --size 421x280 --out data/moon_photo_1000
#   python tools/train.py configs/rock_detector.py
_base_ = ['./rock_detector_synthetic.py']
checkpoint = '{{fileDirname}}/../checkpoints/rock_detector_synthetic.pth'
model = dict(init_cfg=dict(type='Pretrained', checkpoint=checkpoint))
real = dict(_base_.moon, load_size=(384, 256), split='train', pipeline=_base_.zoom_pipeline)
further = '{{$MOON_FURTHER:data/further/MOON_SEGMENTATION_BINARY}}'
more = dict(real, data_root=further, split='all')
scenes = dict(more, data_root='{{$MOON_PHOTO_SCENES:data/moon_photo_1000}}')
parts = [*(dict(type='RepeatDataset', times=8, dataset=part) for part in (real, more)), scenes]
train_dataloader = dict(dataset=dict(_delete_=True, type='ConcatDataset', datasets=parts))
optim_wrapper = dict(optimizer=dict(lr=1e-3))
train_cfg = dict(max_epochs=6, val_interval=1)
tta_pipeline = _base_.scales_tta_pipeline
