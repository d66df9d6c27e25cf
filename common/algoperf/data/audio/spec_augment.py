"""How wide the masks of SpecAugment are (Park et al., 2019), as the published speech models draw them.

A mask has trunc(u * longest) places, and begins at trunc(v * (places - its size + 1)), for u and v from [0, 1).
"""

LONGEST_TIME_MASK = 0.05  # of an utterance's frames
LONGEST_FREQUENCY_MASK = 27  # bins
