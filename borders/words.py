"""The ids that every vocabulary begins with: a sentence is a row of words, then the end, then padding."""

PADDING, BEGIN, END, UNKNOWN = range(4)
SPECIAL = 4  # ids before the first word's
