"""The suite's pictures, PNG and SVG, drawn from records or from the modules themselves."""
