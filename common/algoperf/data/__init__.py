"""Host data: downloads, archives, stores, order and batching. numpy only."""
