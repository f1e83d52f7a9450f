"""Attribution and membership testing for the training corpora of code models."""

__version__ = "0.1.0"
