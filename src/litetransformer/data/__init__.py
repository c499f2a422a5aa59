"""From text files to batches of tokens: read, tokenise, store, batch; and where known sets come from."""
