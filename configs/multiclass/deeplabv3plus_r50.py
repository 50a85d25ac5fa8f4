# DeepLabV3+ with ResNet-50: the multi-class report's better system (0.826 test mDice).
#   python tools/train.py configs/multiclass/deeplabv3plus_r50.py
_base_ = [
    '../_base_/models/deeplabv3plus_r50.py',
    '../_base_/datasets/lunar_multiclass.py',
    '../_base_/augmentations/report3.py',
    '../_base_/schedules/segmentor_40e.py',
    '../_base_/multiclass_runtime.py',
]
loss = dict(type='CrossEntropyLoss', class_weight=[0.1, 1.0, 1.0])
model = dict(decode_head=dict(loss_decode=[loss]))
train_dataloader = dict(dataset=dict(pipeline=_base_.augmented_pipeline))
optim_wrapper = dict(optimizer=dict(_delete_=True, type='Adam', lr=1e-4, fused=True))
train_cfg = dict(max_epochs=30)
# in ten steps an epoch the running statistics trail so far behind that for epochs nothing but background is predicted
custom_imports = dict(imports=['custom_modules.segmentation', 'mmpretrain.engine.hooks.precise_bn_hook'])
default_hooks = dict(precise_bn=dict(type='mmpretrain.PreciseBNHook', priority='ABOVE_NORMAL'))
