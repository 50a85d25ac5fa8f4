# Report 3's recipe with its plain U-Net, 2,459,719 parameters: the base of its other rows.
#   python tools/train.py configs/reference/report3_unet_base18.py
_base_ = ['../unet_baseline.py', '../_base_/augmentations/report3.py']
bce_and_dice = [
    dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=0.5, loss_name='loss_bce'),
    dict(type='BinaryDiceLoss', loss_weight=0.5),
]
model = dict(decode_head=dict(loss_decode=bce_and_dice, init_cfg=None))
train_dataloader = dict(dataset=dict(pipeline=_base_.augmented_pipeline))
optim_wrapper = dict(optimizer=dict(_delete_=True, type='Adam', lr=1e-3, fused=True))
param_scheduler = [dict(type='ReduceOnPlateauLR', monitor='rock_Dice', rule='greater', factor=0.9, patience=30)]
default_hooks = dict(early_stopping=dict(patience=70))
train_cfg = dict(max_epochs=100)
