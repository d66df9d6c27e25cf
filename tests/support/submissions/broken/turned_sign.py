"""AdamW that ascends instead of descending."""

from adamw import data_selection, get_batch_size, init_optimizer_state, make_update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]

update_params = make_update_params(sign=-1.0)
