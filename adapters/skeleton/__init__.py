"""A small package with one working kind, its test and its page: what ``yizhan adapters new`` copies for an author.

Its files are real ones, tested here as they are; ``example_door`` becomes the author's name wherever it stands.
"""
