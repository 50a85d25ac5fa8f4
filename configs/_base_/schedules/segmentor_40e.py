# AdamW, cosine to the last epoch, warm-up within the first.
_base_ = ['./schedulers.py']
train_cfg = dict(by_epoch=True, max_epochs=40, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='AdamW', lr=2e-3, weight_decay=0.01, fused=True), clip_grad=dict(max_norm=1.0)
)
param_scheduler = _base_.schedulers.cosine
