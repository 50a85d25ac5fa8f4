_base_ = ['./runtime.py']
default_scope = 'mmseg'
custom_imports = dict(imports=['custom_modules.segmentation'], allow_failed_imports=False)
default_hooks = dict(
    # the rock's own Dice: mDice averages over the background too
    checkpoint=dict(save_best='rock_Dice'),
    early_stopping=dict(type='ResumableEarlyStoppingHook', monitor='rock_Dice', rule='greater', min_delta=1e-6, patience=30),
    # features of an encoder that is frozen all the time, computed once, off: it refuses random augmentation
    feature_cache=dict(type='FeatureCacheHook', enabled=False),
    # for tools/test.py; pictures during training are the fixed samples
    visualization=dict(type='SegVisualizationHook', interval=1),
    # the same validation images again and again, beside the scalars and in TensorBoard
    fixed_samples=dict(type='FixedSamplesHook', interval=5),
)
# averaged weights, validated and saved in place of the last ones: default_hooks = dict(ema=_base_.ema);
# warmed up: after few steps mmengine's would still be the first step's weights, or average nothing
ema = dict(type='EMAHook', ema_type='WarmedUpEMA', momentum=0.02, update_buffers=True)
visualizer = dict(type='PanelVisualizer', vis_backends=_base_.vis_backends)
log_processor = dict(type='ScoreLogProcessor')
tta_model = dict(type='BinaryTTAModel')
