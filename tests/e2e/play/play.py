# %% setup
import os
import time

import torch

tensor = torch.arange(12, dtype=torch.float32).reshape(3, 4)
answer = 6 * 7
answer

# %% train
import yonder


def train(rate: float) -> float:
    loss = 1.0
    for step in range(60):
        loss = 1.0 / (1.0 + rate * step)
        yonder.log(step=step, loss=loss, accuracy=1.0 - loss)
        time.sleep(0.02)
    return loss


with yonder.Pool(max=4) as pool:
    losses = list(pool.map(train, [0.05, 0.1, 0.2, 0.4]))
len(losses)

# %% busy
ticks = 0
for ticks in range(1, 3001):
    print("tick", ticks, flush=True)
    time.sleep(0.1)


# %% broken
def divide(a: float, b: float) -> float:
    return a / b


divide(1, 0)

# %% who
(os.getpid(), answer)

# %% complete here
tensor
