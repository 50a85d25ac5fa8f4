# Are real images alone enough to go on with? The detector of synthetic scenes, trained on with the renders.
#   python tools/train.py configs/ablations/finetuned_detector.py
_base_ = ['../rock_detector_synthetic.py']
checkpoint = '{{fileDirname}}/../../checkpoints/rock_detector_synthetic.pth'
model = dict(init_cfg=dict(type='Pretrained', checkpoint=checkpoint))
optim_wrapper = dict(optimizer=dict(lr=3e-4))
train_cfg = dict(max_epochs=40)
