# Another source of pretraining: the frozen encoder learnt to find rocks in the project's synthetic scenes.
#   python tools/train.py configs/ablations/synthetic_frozen.py
_base_ = ['../unet_backbone_frozen.py']
checkpoint = '{{fileDirname}}/../../checkpoints/rock_detector_synthetic.pth'
# as that detector saw its images
model = dict(backbone=dict(grey_standardize=True, init_cfg=dict(checkpoint=checkpoint)))
