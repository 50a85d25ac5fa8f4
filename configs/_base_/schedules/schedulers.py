# Learning-rate schedulers to choose from by one line: param_scheduler = _base_.schedulers.plateau
# None has an end of its own: the first two follow max_epochs. Each leads every parameter group from its own rate.
schedulers = dict(
    # warm-up within the first epoch
    cosine=[
        dict(type='LinearLR', start_factor=0.05, end=1, convert_to_iter_based=True),
        # a ratio: an absolute floor would lift an encoder at a lower rate to the head's
        dict(type='CosineAnnealingLR', eta_min_ratio=0.01, convert_to_iter_based=True),
    ],
    one_cycle=[dict(type='GroupOneCycleLR', convert_to_iter_based=True)],
    step=[
        dict(type='LinearLR', start_factor=0.05, end=1, convert_to_iter_based=True),
        dict(type='StepLR', step_size=10, gamma=0.5),
    ],
    plateau=[
        dict(
            type='ReduceOnPlateauLR',
            monitor='rock_Dice',
            rule='greater',
            factor=0.5,
            # well below early stopping's, which would else end the run first
            patience=10,
        )
    ],
)
