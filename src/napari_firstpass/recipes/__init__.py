"""Published recipes, run as published: data, training, test and evaluation of a paper's benchmark.

What they leave is an ordinary model of a set. They stand beside `api`, and are not needed for it.
"""
