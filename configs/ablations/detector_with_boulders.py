# What do scenes of boulders before the lens bring? The detector of synthetic scenes, trained on with them, with such boulders,
# and with all real renders at hand.
#   python tools/prepare_data.py lunar SRC --only ground --without-pebbles --out data/further
#   python tools/prepare_data.py synthetic --style goal --count 600 --seed 1 --size 421x280 --out data/moon_goals_600
#   python tools/train.py configs/ablations/detector_with_boulders.py
_base_ = ['../rock_detector_synthetic.py']
checkpoint = '{{fileDirname}}/../../checkpoints/rock_detector_synthetic.pth'
model = dict(init_cfg=dict(type='Pretrained', checkpoint=checkpoint))
real = dict(_base_.moon, load_size=(384, 256), split='train', pipeline=_base_.zoom_pipeline)
more = dict(real, data_root='{{$MOON_FURTHER:data/further/MOON_SEGMENTATION_BINARY}}', split='all')
mixed = dict(real, data_root='{{$MOON_SYNTHETIC:data/moon_synthetic_2000}}')
goals = dict(more, data_root='{{$MOON_GOALS:data/moon_goals_600}}')
repeated = [dict(type='RepeatDataset', times=12, dataset=part) for part in (real, more)]
parts = dict(type='ConcatDataset', datasets=[*repeated, mixed, goals])
train_dataloader = dict(dataset=dict(parts, _delete_=True))
optim_wrapper = dict(optimizer=dict(lr=2e-3))
train_cfg = dict(max_epochs=5, val_interval=1)
tta_pipeline = _base_.scales_tta_pipeline
