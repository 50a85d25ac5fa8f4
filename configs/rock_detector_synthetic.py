# A rock detector from synthetic scenes alone, for cameras that no training image is from.
#   python tools/prepare_data.py synthetic --count 2000 --size 421x280 --out data/moon_synthetic_2000
#   MOON_DATA=data/moon_synthetic_2000 python tools/train.py configs/rock_detector_synthetic.py
_base_ = ['./unet_backbone_scratch.py']
model = dict(
    backbone=dict(grey_standardize=True),
    decode_head=dict(loss_decode=_base_.losses.weighted_bce_dice),
    data_preprocessor=_base_.batch_augments.camera,
)
train_dataloader = dict(batch_size=16, dataset=dict(pipeline=_base_.plain_pipeline))
default_hooks = dict(ema=_base_.ema)
train_cfg = dict(max_epochs=16, val_interval=4)
