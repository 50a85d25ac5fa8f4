# This project's own network on the multi-class set: the encoder of synthetic scenes, fine-tuned by the long recipe's means.
#   python tools/train.py configs/multiclass/moon_net_unet.py
_base_ = ['./unet_r34.py']
checkpoint = '{{fileDirname}}/../../checkpoints/rock_detector_synthetic.pth'
init = dict(type='Pretrained', checkpoint=checkpoint, prefix='backbone.')
backbone = dict(_delete_=True, type='MoonNet', grey_standardize=True, init_cfg=init)
# Lovasz counts each class as a whole: a cross entropy alone leaves out what is rare
losses = [dict(type='CrossEntropyLoss'), dict(type='LovaszLoss', reduction='none')]
model = dict(data_preprocessor=_base_.batch_augments.camera, backbone=backbone, decode_head=dict(loss_decode=losses))
train_dataloader = dict(dataset=dict(pipeline=_base_.plain_pipeline))
optim_wrapper = dict(optimizer=dict(lr=1e-3, weight_decay=0.01))
default_hooks = dict(ema=_base_.ema)
train_cfg = dict(max_epochs=150, val_interval=10)
