# The best detector within the budget: that of synthetic scenes, trained on with them and the real renders.
#   MOON_SYNTHETIC=data/moon_synthetic_500 python tools/train.py configs/rock_detector.py
_base_ = ['./rock_detector_synthetic.py']
checkpoint = '{{fileDirname}}/../checkpoints/rock_detector_synthetic.pth'
model = dict(init_cfg=dict(type='Pretrained', checkpoint=checkpoint))
real = dict(**_base_.moon, split='train', pipeline=_base_.plain_pipeline)
scenes = dict(real, data_root='{{$MOON_SYNTHETIC:data/moon_synthetic_500}}')
both = [dict(type='RepeatDataset', times=4, dataset=real), scenes]
train_dataloader = dict(dataset=dict(_delete_=True, type='ConcatDataset', datasets=both))
optim_wrapper = dict(optimizer=dict(lr=1e-3))
train_cfg = dict(max_epochs=12)
