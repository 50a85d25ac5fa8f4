"""Many trainings: what is planned (``plan``), and how all of it comes to its end, here or on a cluster (``sweep``)."""
