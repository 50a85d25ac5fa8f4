from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS

from custom_modules.engine.config_checks import head_size
from custom_modules.utils.errors import UsageError

from .load_size import load_size


def smp_settings(cfg: Config, workers: int) -> dict:
    """Collect what the U-Net of segmentation-models-pytorch is to be trained on: a config's images, in plain values.

    Args:
        cfg (Config): The config.
        workers (int): Worker processes of each loader.

    Returns:
        dict: For ``SmpLoop``.

    Raises:
        UsageError: If the config does not say how many classes there are.
    """
    channels = head_size(cfg, cfg.model.decode_head)[1]
    if channels is None:
        raise UsageError('model.decode_head has no num_classes: give it.')
    norm = cfg.model.data_preprocessor
    label_map, pairs = {}, {}
    for part in ('train', 'val'):
        dataset = cfg[f'{part}_dataloader'].dataset
        settings = {key: value for key, value in dataset.items() if key != 'cache'}
        with DATASETS.switch_scope_and_registry(cfg.default_scope) as registry:
            listed = registry.build(settings)
        items = [listed.get_data_info(i) for i in range(len(listed))]
        pairs[part] = [(item['img_path'], item['seg_map_path']) for item in items]
        label_map = {**label_map, **(items[0].get('label_map') or {})}
    with MODELS.switch_scope_and_registry(cfg.default_scope) as registry:
        parameters = sum(p.numel() for p in registry.build(cfg.model).parameters())
    return dict(
        channels=channels,
        parameters=parameters,
        size=load_size(cfg),
        mean=list(norm.mean),
        std=list(norm.std),
        label_map=label_map,
        batch=cfg.train_dataloader.batch_size,
        drop_last=bool(cfg.train_dataloader.get('drop_last', False)),
        workers=workers,
        lr=cfg.optim_wrapper.optimizer.lr,
        **pairs,
    )
