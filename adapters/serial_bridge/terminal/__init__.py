"""The terminal's program: what a department's machine runs at the other end of a line.

``yizhan_terminal.py`` is the whole program in one file, for any Python from 3.8 on, made of the modules here and of the
record line's by ``python -m tests.support.terminal_file``; ``yizhan terminal`` runs it.
"""
