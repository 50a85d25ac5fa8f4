_base_ = ['./runtime.py']
default_scope = 'mmpretrain'
custom_imports = dict(imports=['custom_modules.classification'], allow_failed_imports=False)
default_hooks = dict(
    checkpoint=dict(save_best='accuracy/top1'),
    # a classifier has no decode head
    compile=dict(parts=('backbone',)),
    visualization=dict(type='VisualizationHook', enable=False),
)
visualizer = dict(type='UniversalVisualizer', vis_backends=_base_.vis_backends)
tta_model = dict(type='AverageClsScoreTTA')
