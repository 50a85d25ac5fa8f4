def require_data(cfg) -> None:
    """Build the data sets of masks without listing their files, which finds a missing folder and what is mistyped at once.

    Args:
        cfg (mmengine.Config): The config.

    Raises:
        UsageError: As the data sets do.
    """
    from mmengine.registry import DATASETS, init_default_scope

    from custom_modules.datasets.indexed_mask_dataset import IndexedMaskDataset
    from custom_modules.engine.config import data_set_configs

    init_default_scope(cfg.default_scope)
    for part in ('train', 'val', 'test'):
        loader = cfg.get(f'{part}_dataloader') or {}
        for _, dataset in data_set_configs(part, loader.get('dataset')):
            with DATASETS.switch_scope_and_registry(cfg.default_scope) as registry:
                kind = dataset.get('type')
                kind = registry.get(kind) if isinstance(kind, str) else kind
            if isinstance(kind, type) and issubclass(kind, IndexedMaskDataset):
                DATASETS.build(dict(dataset, pipeline=[], lazy_init=True))
