"""Answers as others read them."""
