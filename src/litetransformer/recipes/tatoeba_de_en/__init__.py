"""Tatoeba German to English: everyday sentences under a free licence. No row of the paper."""
