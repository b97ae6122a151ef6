"""The venues' bulk files: fetched or found on disk, unpacked, told apart, and read a million rows at a time."""
