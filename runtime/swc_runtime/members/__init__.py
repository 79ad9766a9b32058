"""Members as torch modules of an ensemble: built apart from each other, with random numbers of their own."""
