"""Parts of the benchmarks: data sets, rows, protocols, and what is written of them."""
