"""From a trained slimmable network to a spec with the channel numbers that a search found."""
