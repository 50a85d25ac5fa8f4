# A classifier as it trains on a CPU: samples by worker processes, AdamW, 30 epochs.
_base_ = ['./models/moon_net_classifier.py', './datasets/tiny_imagenet.py', './schedules/classifier_30e.py', './cls_runtime.py']
