"""The journal: streams, seals, quarantine and the unit of work. Step 4 of a record's journey (docs/concepts.md)."""
