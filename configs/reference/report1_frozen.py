# Report 1's frozen encoder. The report's own classifier is not described to the parameter: ours stands in.
#   python tools/train.py configs/reference/report1_frozen.py
_base_ = ['./report1_unet_base64.py']
checkpoint = '{{fileDirname}}/../../checkpoints/moon_net_tiny_imagenet_14.pth'
init = dict(type='Pretrained', checkpoint=checkpoint, prefix='backbone.')
model = dict(backbone=dict(_delete_=True, type='MoonNet', init_cfg=init))
default_hooks = dict(freeze_schedule=dict(type='FreezeScheduleHook', schedule={0: 4}))
find_unused_parameters = True
