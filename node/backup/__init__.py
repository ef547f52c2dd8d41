"""Backups of a node: one file that holds its home and its database as they were at one moment (02, I1, R12).

``making`` writes it beside a running node, ``archive`` is its form, ``checking`` proves that it can be used, and
``restoring`` puts it in place of a home that was lost. A node that was restored is in doubt and settles with its
neighbours: what it had told them since the backup comes back from them.
"""
