"""Doors to department systems: each adapter parses framing, never meaning, and knows nothing of the node."""
