"""What tests share: stores, doubles, records."""
