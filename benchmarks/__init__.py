"""The speed of the product, measured as ratios within one run (`make bench`)."""
