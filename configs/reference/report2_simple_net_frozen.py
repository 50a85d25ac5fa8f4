# Report 2's option A: its classifier of 4 classes as encoder, frozen.
#   python tools/train.py configs/reference/report2_simple_net_frozen.py
_base_ = ['./report2_unet_base16.py']
checkpoint = '{{fileDirname}}/../../checkpoints/simple_net_tiny_imagenet_4.pth'
init = dict(type='Pretrained', checkpoint=checkpoint, prefix='backbone.')
model = dict(backbone=dict(_delete_=True, type='SimpleNet', init_cfg=init))
default_hooks = dict(freeze_schedule=dict(type='FreezeScheduleHook', schedule={0: 4}))
find_unused_parameters = True
