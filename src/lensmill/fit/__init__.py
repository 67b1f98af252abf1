"""One lens: its fitting problem, the search for its maximum, the sampling of its posterior. Knows no files."""
