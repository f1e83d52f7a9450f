"""Generate, then check: what a model writes is compared with the corpus while it is written."""
