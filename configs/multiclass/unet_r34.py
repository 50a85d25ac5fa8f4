# U-Net with a ResNet-34 encoder: the multi-class report's other system (0.748 test mDice).
#   python tools/train.py configs/multiclass/unet_r34.py
_base_ = [
    '../_base_/models/unet_r34.py',
    '../_base_/datasets/lunar_multiclass.py',
    '../_base_/augmentations/report3.py',
    '../_base_/schedules/segmentor_40e.py',
    '../_base_/multiclass_runtime.py',
]
loss = dict(type='CrossEntropyLoss', class_weight=[0.1, 1.2, 1.2])
model = dict(decode_head=dict(loss_decode=[loss]))
train_dataloader = dict(dataset=dict(pipeline=_base_.augmented_pipeline))
optim_wrapper = dict(optimizer=dict(lr=2e-4, weight_decay=1e-4))
train_cfg = dict(max_epochs=30)
