"""The Criteo 1TB click logs: 4.4 billion lines of text, one per shown advertisement."""
