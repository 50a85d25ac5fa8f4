# The detector for a computer on board: a quarter of a million parameters, depthwise separable, from random weights.
# The published weights had teachers beside: ablations/mobile_distilled.py, then mobile_taught_further.py.
#   python tools/train.py configs/rock_detector_mobile.py
_base_ = ['./rock_detector.py']
model = dict(init_cfg=None, backbone=dict(type='MobileEncoder'), decode_head=dict(upsample='bilinear', separable=True))
# it has seen no scenes yet: all of them
parts = _base_.parts
parts[3]['dataset']['train_fraction'] = 1.0
train_dataloader = dict(dataset=dict(datasets=parts))
optim_wrapper = dict(optimizer=dict(lr=3e-3))
train_cfg = dict(max_epochs=30)
