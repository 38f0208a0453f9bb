"""Number formats that units, networks and training share: weights, activations, products, accumulators."""
