"""AdamW without a mistake."""

from adamw import data_selection, get_batch_size, init_optimizer_state, make_update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]

update_params = make_update_params()
