"""The benchmark: floors and product on the same records in the same run (docs/performance.md)."""
