# What does a second stage bring to the detector on board? As with the best one: it starts from itself, has itself and the long recipe
# as teachers, and sees the renders twice as often. Published as rock_detector_mobile.pth.
#   python tools/train.py configs/ablations/mobile_taught_further.py
_base_ = ['./detector_distilled.py']
checkpoint = '{{$MOON_MOBILE:work_dirs/mobile_distilled/epoch_30.pth}}'
load = dict(type='Pretrained', checkpoint=checkpoint)
head = dict(type='UNetHead', upsample='bilinear', separable=True)
network = dict(backbone=dict(type='MobileEncoder', grey_standardize=True), decode_head=head)
itself = dict(type='UNetSegmentor', data_preprocessor=None, init_cfg=load, **network)
model = dict(init_cfg=load, teacher=[itself, _base_.teachers[1]], **network)
