"""`common.probing_submission` appends this to a submission: it prints when the first step begins and ends."""

import functools
import time

_update_params = globals()["update_params"]


@functools.wraps(_update_params)
def update_params(*args, **kwargs):
    """Call the submission's `update_params`, and print its times."""
    if kwargs["global_step"] > 0:
        return _update_params(*args, **kwargs)
    print(f"first step begins {time.time()}", flush=True)
    result = _update_params(*args, **kwargs)
    print(f"first step ended {time.time()}", flush=True)
    return result
