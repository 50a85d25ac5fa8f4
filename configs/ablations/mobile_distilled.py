# What does imitating the best detector bring to the one for a computer on board?
#   python tools/train.py configs/ablations/mobile_distilled.py
_base_ = ['../rock_detector_mobile.py']
checkpoint = '{{$MOON_TEACHER:checkpoints/rock_detector.pth}}'
teacher = dict(
    type='UNetSegmentor',
    data_preprocessor=None,
    backbone=dict(type='MoonNet', grey_standardize=True),
    decode_head=dict(type='UNetHead'),
    init_cfg=dict(type='Pretrained', checkpoint=checkpoint),
)
model = dict(type='DistilledSegmentor', teacher=teacher)
