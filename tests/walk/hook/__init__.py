"""On PYTHONPATH of the processes that are traced: Python imports `sitecustomize` from here before anything else."""
