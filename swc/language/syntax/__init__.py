"""The language's text: parser, tree and printer."""
