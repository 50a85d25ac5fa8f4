from mmengine.registry import VISBACKENDS
from mmengine.visualization import WandbVisBackend
from mmengine.visualization.vis_backend import force_init_env


@VISBACKENDS.register_module()
class WandbTracker(WandbVisBackend):
    """Weights & Biases without the upload of code.

    mmengine's backend uploads every Python file below the current folder, and so a ``.venv`` in it. Arguments are
    those of mmengine's ``WandbVisBackend``.
    """

    @force_init_env
    def add_config(self, config, **kwargs) -> None:
        """Record the config.

        Args:
            config (Config): The run's config.
            **kwargs: Unused.
        """
        self._wandb.config.update(config.to_dict())
