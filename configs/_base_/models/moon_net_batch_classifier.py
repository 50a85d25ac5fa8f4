# MoonNet's classifier, fed with whole batches that are augmented on their device.
_base_ = ['./moon_net_classifier.py']
model = dict(
    type='BatchClassifier',
    data_preprocessor=dict(
        type='BatchAugClsPreProcessor',
        # mmpretrain's label smoothing of plain labels waits for the device in each step
        to_onehot=True,
        augments=[
            dict(type='BatchRandomResizedCrop', size=128, scale=(0.35, 1.0)),
            dict(type='BatchRandomFlip', prob=0.5),
            dict(type='BatchColorJitter', brightness=0.3, contrast=0.3, saturation=0.3),
            # the Moon is grey: an encoder for it must not lean on colour alone
            dict(type='BatchRandomGrayscale', prob=0.1),
        ],
    ),
)
