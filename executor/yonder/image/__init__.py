"""The executor's image: its Dockerfile, and what `yonder image` does with it."""
