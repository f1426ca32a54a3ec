"""One file per substrate behind the door of base.py."""
