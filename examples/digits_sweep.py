# %% [markdown]
# # Which small network reads handwritten digits best?
#
# One variant per executor, all of them at once. Run the cells one after another in VS Code (Ctrl+Alt+Enter), or all of
# it with `python digits_sweep.py`.

# %% The data: 1,797 scanned digits of 8 x 8 pixels, a quarter of them kept aside to judge by
import itertools
import random

import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

import yonder

EPOCHS = 15
BATCH = 75

digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
labels = torch.tensor(digits.target)
train_images, test_images, train_labels, test_labels = train_test_split(
    images, labels, test_size=0.25, random_state=0, stratify=labels
)
print(f"{len(train_images)} digits to learn from, {len(test_images)} to judge by")


# %% The network, and how one variant is trained
def network(width, dropout):
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(2 * width * 4 * 4, 10),
    )


def accuracy_of(model):
    model.eval()
    with torch.no_grad():
        right = model(test_images).argmax(dim=1) == test_labels
    model.train()
    return right.float().mean().item()


def train(variant):
    torch.manual_seed(0)
    model = network(variant["width"], variant["dropout"])
    if variant["optimizer"] == "adam":
        optimizer = torch.optim.Adam(model.parameters(), lr=variant["lr"])
    else:
        optimizer = torch.optim.SGD(model.parameters(), lr=variant["lr"], momentum=0.9)

    curve = []
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(train_images)).split(BATCH):
            loss = nn.functional.cross_entropy(model(train_images[batch]), train_labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            curve.append((loss.item(), accuracy_of(model)))
            yonder.log(step=len(curve), loss=curve[-1][0], accuracy=curve[-1][1])
    return {**variant, "curve": curve, "accuracy": curve[-1][1]}


# %% The sweep: 64 variants in random order, as many of them as there may be executors
grid = [
    {"lr": lr, "width": width, "optimizer": optimizer, "dropout": dropout}
    for lr, width, optimizer, dropout in itertools.product(
        [0.001, 0.003, 0.01, 0.03], [4, 8, 16, 32], ["adam", "sgd"], [0.0, 0.3]
    )
]
random.Random(7).shuffle(grid)

with yonder.Pool() as pool:
    results = list(pool.map(train, grid[: pool.max]))

best = max(results, key=lambda result: result["accuracy"])
print(f"{len(results)} variants trained; the best reads {best['accuracy']:.1%} of the digits it has never seen")

# %% The curves
figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
for result in results:
    losses, accuracies = zip(*result["curve"], strict=True)
    style = {"linewidth": 2.2, "color": "black", "zorder": 3} if result is best else {"linewidth": 0.8, "alpha": 0.6}
    name = f"lr {result['lr']:g}, width {result['width']}, {result['optimizer']}, dropout {result['dropout']:g}"
    left.plot(losses, **style)
    right.plot(accuracies, **style, label=name if result is best or len(results) <= 12 else None)
left.set(title="loss on the batch", xlabel="step", yscale="log")
right.set(title="accuracy on digits never seen", xlabel="step", ylim=(0, 1.02))
right.legend(loc="lower right", fontsize="x-small")
figure.savefig("curves.png", dpi=150)
plt.show()

# %% The table, best first
print(f"{'lr':>6} {'width':>6} {'optimizer':>10} {'dropout':>8} {'loss':>8} {'accuracy':>9}")
for result in sorted(results, key=lambda result: -result["accuracy"]):
    print(
        f"{result['lr']:6g} {result['width']:6} {result['optimizer']:>10} {result['dropout']:8g}"
        f" {result['curve'][-1][0]:8.4f} {result['accuracy']:9.1%}"
    )
