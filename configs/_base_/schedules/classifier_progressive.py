# AdamW and a cosine over images of 64x64, then 96x96, then 128x128; the averaged weights are validated and saved.
_base_ = ['./schedulers.py']
train_cfg = dict(by_epoch=True, max_epochs=80, val_interval=5)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='MergedGroupsConstructor',
    optimizer=dict(type='AdamW', lr=5e-3, weight_decay=0.05, fused=True),
    # biases and batch-norm weights are not decayed
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
)
param_scheduler = _base_.schedulers.cosine
progressive_resize = dict(type='ProgressiveResizeHook', stages=[(0.0, 64), (0.45, 96), (0.75, 128)])
ema = dict(type='EMAHook', ema_type='WarmedUpEMA', momentum=0.002, update_buffers=True)
