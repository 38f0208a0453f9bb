"""The hardware units, a folder each; `registry` finds them."""
