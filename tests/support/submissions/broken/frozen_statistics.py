"""AdamW that never updates the running statistics of batch normalisation."""

from adamw import data_selection, get_batch_size, init_optimizer_state, make_update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]

update_params = make_update_params(update_batch_norm=False)
