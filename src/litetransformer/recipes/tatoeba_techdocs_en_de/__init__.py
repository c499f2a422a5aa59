"""Everyday sentences and documentation, English to German, under free licences. No row of the paper."""
