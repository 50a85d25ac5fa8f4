_base_ = ['./seg_runtime.py']
default_hooks = dict(checkpoint=dict(save_best='mDice'), early_stopping=dict(monitor='mDice'))
log_processor = dict(score='mDice')
