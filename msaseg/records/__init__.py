"""What a finished run or measurement leaves: its record, and where the numbers in it come from."""
