"""What a comparison shows: figures by model and condition, differences, words, the page."""
