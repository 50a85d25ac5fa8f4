# What classification and segmentation share: logs, checkpoints, environment.
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=10),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(
        type='ResumableCheckpointHook',
        interval=1,
        # two: the older one goes before the newer is written
        max_keep_ckpts=2,
        rule='greater',
        backend_args=dict(backend='AtomicLocalBackend'),
    ),
    # random numbers by seed, epoch and sample: the same after a resume, and for any number of workers
    sampler_seed=dict(type='ResumableSeedHook'),
    # several processes: what is validated and saved has one set of batch-norm statistics
    sync_buffers=dict(type='SyncBuffersHook'),
    channels_last=dict(type='ChannelsLastHook'),
    # torch.compile, off: it takes a compiler, and minutes before the first step
    compile=dict(type='CompileHook', enabled=False),
    # losses are read when they are logged; lazy_scalars switches it
    runtime_info=dict(type='LazyRuntimeInfoHook'),
    lazy_scalars=dict(type='LazyScalarsHook'),
    run_check=dict(type='RunCheckHook'),
    # a loss that is nan or infinite ends the run, with the batch's files
    finite_loss=dict(type='FiniteLossHook'),
    group_rates=dict(type='GroupRatesHook'),
)
env_cfg = dict(cudnn_benchmark=True, mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0), dist_cfg=dict(backend='nccl'))
vis_backends = [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]
# one line of an experiment chooses a tracker: visualizer = dict(vis_backends=_base_.trackers.clearml)
trackers = dict(
    clearml=[
        *vis_backends,
        dict(
            type='OptionalVisBackend',
            tracker='ClearMLVisBackend',
            init_kwargs=dict(
                project_name='moon-rocks',
                task_name='{run}',
                reuse_last_task_id=False,
                # it would read all scalars a second time, from TensorBoard
                auto_connect_frameworks=False,
            ),
            # checkpoints stay here
            artifact_suffix='.py',
        ),
    ],
    mlflow=[
        *vis_backends,
        dict(
            type='OptionalVisBackend',
            tracker='MLflowTracker',
            exp_name='moon-rocks',
            run_name='{run}',
            store='{work_dir}/../mlruns',
            # what runs differ in; the whole config goes along as a file
            tracked_config_keys=['model', 'train_dataloader', 'optim_wrapper', 'randomness'],
        ),
    ],
    wandb=[
        *vis_backends,
        dict(
            type='OptionalVisBackend',
            tracker='WandbTracker',
            # a server that is gone does not hold up the end of the process
            init_kwargs=dict(project='moon-rocks', name='{run}', settings=dict(finish_timeout=60)),
        ),
    ],
)
log_processor = dict(type='LogProcessor', by_epoch=True)
log_level = 'INFO'
randomness = dict(seed=0)
load_from = None
resume = False
