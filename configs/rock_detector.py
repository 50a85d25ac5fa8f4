# The best detector within the budget: that of synthetic scenes, trained on with real images.
#   python tools/train.py configs/rock_detector.py
_base_ = ['./rock_detector_synthetic.py']
checkpoint = '{{fileDirname}}/../checkpoints/rock_detector_synthetic.pth'
model = dict(init_cfg=dict(type='Pretrained', checkpoint=checkpoint))
optim_wrapper = dict(optimizer=dict(lr=3e-4))
train_cfg = dict(max_epochs=40)
