"""Canadian law, English to French: long sentences, a stand-in for WMT. No row of the paper."""
