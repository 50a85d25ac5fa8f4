# Is freezing needed at all? Everything trains from the first step, the pretrained encoder at a tenth of the rate.
#   python tools/train.py configs/ablations/finetuned.py
_base_ = ['./finetuned_full_rate.py']
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'backbone': dict(lr_mult=0.1)}))
