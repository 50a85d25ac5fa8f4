# Report 3's fine-tuned encoder: pretrained, unfrozen from the 11th epoch on, at 1e-4 in a group of its own.
#   python tools/train.py configs/reference/report3_narrow_resnet_pretrained.py
_base_ = ['./report3_narrow_resnet_scratch.py']
checkpoint = '{{fileDirname}}/../../checkpoints/narrow_resnet_tiny_imagenet_10.pth'
model = dict(backbone=dict(init_cfg=dict(type='Pretrained', checkpoint=checkpoint, prefix='backbone.')))
default_hooks = dict(freeze_schedule=dict(type='FreezeScheduleHook', schedule={0: 4, 10: -1}))
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'backbone': dict(lr_mult=0.1)}))
find_unused_parameters = True
