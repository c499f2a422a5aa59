"""The architecture, one file per idea. `sublayer` has the contract that all of them share."""
