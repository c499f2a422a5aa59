"""WMT'14 English to French, tested on newstest2014 (Table 2)."""
