"""What HTML pages have in common: a style, the frame of a template, pictures as SVG."""
