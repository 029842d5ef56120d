"""Commands that find pictures by words and words by pictures."""
