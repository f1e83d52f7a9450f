"""Filters: which windows stand in the corpus, and which of them in many repositories."""
