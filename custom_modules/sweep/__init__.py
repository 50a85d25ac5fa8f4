"""Many trainings: what is planned (``plan``), what is there (``status``), one of them (``training``), all of them (``sweep``, ``ray_executor``)."""
