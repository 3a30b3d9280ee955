"""The version of mcflow: beside the public face, for the rooms below it."""

__version__ = "0.1.0"
