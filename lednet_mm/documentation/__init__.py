"""Pages of docs/ and README.md that are made from measurements and records."""
