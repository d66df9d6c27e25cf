"""Constants of audio features, in numpy; both frameworks compute with them."""
