"""AdamW that treats missing labels and padding as examples."""

from adamw import data_selection, get_batch_size, init_optimizer_state, make_update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]

update_params = make_update_params(use_mask=False)
