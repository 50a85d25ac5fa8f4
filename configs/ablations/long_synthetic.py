# The long recipe with the encoder of synthetic scenes as an initialization: everything trains.
#   python tools/train.py configs/ablations/long_synthetic.py
_base_ = ['./long_finetuned.py']
checkpoint = '{{fileDirname}}/../../checkpoints/rock_detector_synthetic.pth'
model = dict(backbone=dict(init_cfg=dict(checkpoint=checkpoint)))
