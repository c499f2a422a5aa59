"""AESLC: e-mails and their subject lines, a benchmark of minutes. No row of the paper."""
