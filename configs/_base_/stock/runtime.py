# What a user of plain MMSegmentation or MMPretrain has around a model: mmengine's default hooks, plain files and
# loaders. For tools/benchmark.py, which puts this project's networks and images into it: what they are compared with.
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', interval=1),
    sampler_seed=dict(type='DistSamplerSeedHook'),
)
train_dataloader = dict(sampler=dict(type='DefaultSampler', shuffle=True))
val_dataloader = dict(sampler=dict(type='DefaultSampler', shuffle=False))
val_cfg = dict()
env_cfg = dict(
    # mmpretrain's own configs leave it off, which on a GPU would be to our favour
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
vis_backends = [dict(type='LocalVisBackend')]
log_processor = dict(by_epoch=True)
log_level = 'INFO'
randomness = dict(seed=0)
launcher = 'none'
