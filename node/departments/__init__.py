"""Step 1 of a record's journey: the doors through which departments hand in records, and what is published to them."""
