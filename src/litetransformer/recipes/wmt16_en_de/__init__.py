"""WMT English to German: trained on WMT'16, tested on newstest2014 as in the paper (Table 2)."""
