"""The Program and the Feedback: the one vocabulary that compiler and runtime share."""
