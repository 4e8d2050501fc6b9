"""What every command has in common: errors in one line, mistakes told with their mend, stopping."""
