"""One step of plain gradient descent in JAX."""

import jax
import jax.numpy as jnp

from algoperf.spec import ForwardPassMode


def descend(workload, params, model_state, batch, rate, rng):
    def loss(params):
        logits, new_state = workload.model_fn(params, batch, model_state, ForwardPassMode.TRAIN, rng, True)
        summed = workload.loss_fn(batch["targets"], logits, batch.get("weights"))["summed"]
        return summed / logits.shape[0], new_state

    grads, model_state = jax.grad(loss, has_aux=True)(params)
    return jax.tree.map(lambda param, grad: param - jnp.float32(rate) * grad, params, grads), model_state
