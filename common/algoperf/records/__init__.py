"""What a run leaves behind: plain files in the published layout."""
