"""Files written whole or not at all, hashes of contents, checksums in files."""
