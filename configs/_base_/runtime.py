# What classification and segmentation share: logs, checkpoints, environment.
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=10),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(
        type='CheckpointHook',
        interval=1,
        # two: the older one goes before the newer is written
        max_keep_ckpts=2,
        rule='greater',
        backend_args=dict(backend='AtomicLocalBackend'),
    ),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    channels_last=dict(type='ChannelsLastHook'),
)
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
vis_backends = [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]
log_processor = dict(type='LogProcessor', by_epoch=True)
log_level = 'INFO'
randomness = dict(seed=0)
load_from = None
resume = False
