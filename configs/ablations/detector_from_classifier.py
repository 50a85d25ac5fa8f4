# Does a classifier's encoder help where images are plenty? What rock_detector learns from, from the classifier's encoder on.
#   python tools/train.py configs/ablations/detector_from_classifier.py
_base_ = ['../rock_detector.py']
checkpoint = '{{fileDirname}}/../../checkpoints/moon_net_tiny_imagenet_14.pth'
init = dict(type='Pretrained', checkpoint=checkpoint, prefix='backbone.')
model = dict(init_cfg=None, backbone=dict(init_cfg=init))
