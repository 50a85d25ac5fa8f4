# What do two teachers bring to the best detector? Itself, and the long recipe, which knows the renders better; it starts from
# the first, and sees the renders twice as often. Published as rock_detector.pth.
#   python tools/train.py configs/ablations/detector_distilled.py
_base_ = ['../rock_detector.py']
first = '{{$MOON_TEACHER:checkpoints/rock_detector.pth}}'
second = '{{$MOON_TEACHER_2:work_dirs/long_finetuned/epoch_200.pth}}'
network = dict(backbone=dict(type='MoonNet', grey_standardize=True), decode_head=dict(type='UNetHead'))
init_cfgs = [dict(type='Pretrained', checkpoint=file) for file in (first, second)]
teachers = [dict(type='UNetSegmentor', data_preprocessor=None, init_cfg=init, **network) for init in init_cfgs]
model = dict(type='DistilledSegmentor', init_cfg=dict(checkpoint=first), teacher=teachers)
parts = _base_.parts
parts[0]['times'], parts[3]['dataset']['train_fraction'] = 8, 0.3
train_dataloader = dict(dataset=dict(datasets=parts))
optim_wrapper = dict(optimizer=dict(lr=2e-3))
train_cfg = dict(max_epochs=30)
