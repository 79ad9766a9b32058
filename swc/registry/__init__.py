"""What is open-ended, declared: one registry of rows for each kind, its plug-ins beside it; free of torch.

A row says the name, the arguments, the words and where the implementation is, which is imported late. Binding,
checking, noted defaults, docs and the runtime go by the row, so that adding one is a file and its line here.
"""
