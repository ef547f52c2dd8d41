"""Yizhan (驿站): a federated exchange node. The folders follow a record's journey (docs/concepts.md)."""
