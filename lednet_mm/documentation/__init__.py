"""Generate the pages of docs/ and the parts of README.md that come from measurements and records."""
