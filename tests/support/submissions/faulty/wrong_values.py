"""What a submission may return by mistake in place of (optimizer_state, params, model_state)."""


def wrong_value(what, optimizer_state, params, model_state):
    """The value called `what`."""
    if what == "pair":
        return params, model_state
    if what == "number":
        return 3
    if what == "numbers":
        return [1, 2, 3]
    if what == "no model":
        return optimizer_state, None, model_state
    if what == "swapped":
        return params, optimizer_state, model_state
    if what == "other state":
        return optimizer_state, params, {"statistics": 1.0}
    changed = _changed_jax if isinstance(params, dict) else _changed_pytorch
    return optimizer_state, changed(params, what), model_state


def _changed_jax(params, what):
    import jax

    change = {"dtype": lambda leaf: leaf.astype("bfloat16"), "shape": lambda leaf: leaf[None]}
    return {"other": params} if what == "tree" else jax.tree.map(change[what], params)


def _changed_pytorch(model, what):
    import torch

    if what == "tree":
        return dict(model.named_parameters())
    if what == "dtype":
        return model.bfloat16()
    first = next(model.parameters())
    first.data = torch.zeros(1, *first.shape)
    return model
