"""What an instrument says on its channels, one file per channel. All pure; each keeps only what it said last."""
