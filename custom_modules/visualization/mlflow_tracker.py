import os

from mmengine.registry import VISBACKENDS
from mmengine.visualization import MLflowVisBackend


@VISBACKENDS.register_module()
class MLflowTracker(MLflowVisBackend):
    """MLflow on the server of ``MLFLOW_TRACKING_URI``, or on a local file store that many runs share.

    mmengine's backend ignores that variable, and gives each run a store of its own, so that nothing can be
    compared, inside the work dir, which it then copies into the store.

    Args:
        store (str): Folder of the local store.
        **kwargs: Of mmengine's ``MLflowVisBackend``.
    """

    def __init__(self, store: str, **kwargs) -> None:
        super().__init__(**kwargs)
        self._store = store

    def _init_env(self) -> None:
        # MLflow 3 asks for it before it writes files; its other local store needs a database package
        os.environ.setdefault('MLFLOW_ALLOW_FILE_STORE', 'true')
        self._outer_uri = os.environ.get('MLFLOW_TRACKING_URI')
        self._tracking_uri = self._tracking_uri or self._outer_uri
        if not self._tracking_uri:
            self._save_dir = self._store
        super()._init_env()

    def _flatten(self, d: dict, *args, **kwargs) -> dict:
        # mmengine joins keys as text, and configs have numbers too, such as a freezing schedule's epochs
        return super()._flatten({str(key): value for key, value in d.items()}, *args, **kwargs)

    def close(self) -> None:
        """End the run, and leave the process as it was: MLflow exports its address to the environment."""
        try:
            super().close()
        finally:
            # where copying the logs failed, mmengine's backend leaves the run open, and the next one would join it
            self._mlflow.end_run()
            self._mlflow.set_tracking_uri(self._outer_uri)
