"""Counting: indicators defined once, counters kept in the append transaction, summaries and verdicts on them."""
