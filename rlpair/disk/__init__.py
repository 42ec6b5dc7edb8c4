"""Files that may be anybody's: opened without following links, written whole or not at all, read within bounds."""
