"""Everyday sentences and documentation, German to English, under free licences. No row of the paper."""
