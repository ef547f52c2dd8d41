"""Evidence (证据): one record with everything that shows where it stood, since when, and who held it.

``making`` collects it at a node that holds the record, ``document`` is its one file, ``verifying`` checks it with no
database at all, and ``verify_evidence.py`` does the same again with Python's standard library and ``openssl`` alone.
"""
