"""Folders that departments put files into and take files from: what the kinds ``file_drop`` and ``sftp`` share.

Life of a file
    Somebody puts it into the folder; when it is whole (``settling``) the adapter copies it into its own folder
    (``spool``) and hands it over. Once the node has answered, it stands in ``done/`` or is deleted, with what became
    of its records in ``results/`` (``answers``); what nobody can read stands in ``rejected/`` with the reason. Until
    then it is untouched, or, where several nodes may watch one folder, claimed: moved, in one step, to a folder of
    this adapter alone below ``claimed/``.

Where the folder is, on this machine or on a server, only ``place.Place`` knows. docs/reference/adapter-files.md
explains it to those who put files there.
"""
