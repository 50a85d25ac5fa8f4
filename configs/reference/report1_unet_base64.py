# Report 1: plain U-Net at base 64, 31,043,521 parameters; BCE, Adam, 5 epochs, horizontal flip;
# the cosine and clipping at 1 are ours.
#   python tools/train.py configs/reference/report1_unet_base64.py
_base_ = ['../unet_baseline.py', '../_base_/augmentations/report1.py']
model = dict(backbone=dict(widths=(64, 128, 256, 512, 1024)), decode_head=dict(loss_decode=_base_.losses.bce, init_cfg=None))
train_dataloader = dict(dataset=dict(pipeline=_base_.augmented_pipeline))
optim_wrapper = dict(optimizer=dict(_delete_=True, type='Adam', lr=1e-3, fused=True))
train_cfg = dict(max_epochs=5)
