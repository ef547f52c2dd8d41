"""Fourth stop of a record: what became of a case (办件), as states, findings and the rows that screens read."""
