"""Counts the words of a speech."""

SPEECH = "To be, or not to be, that is the question"


def words(text):
    return [w.strip(",.").lower() for w in text.split()]


def longest(text):
    return max(words(text), key=len)
