// What a live session knows, in a real VS Code: while a cell trains, alone and beside a slow Python server.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';

import { until } from '../../scripts/processes.mjs';
import { onStage } from './harness/stage.mjs';
import { drawn, labelOf, offered, rows, signature, twice, typed, untyped } from './harness/suggest.mjs';

const NAME = 'lively.py';
const TEXT = `# %% make
import numpy as np
import pandas as pd
import torch
from torch import nn

layer = nn.Linear(16, 4)
batch = torch.randn(32, 16)
scores = layer(batch)
frame = pd.DataFrame({"city": ["Rome", "Oslo"], "people": [2.8, 0.7]})
cfg = {"opt": {"lr": 0.1, "momentum": 0.9}, "name": "first"}


def fit(model: nn.Module, rate: float = 0.1, *, epochs: int = 3) -> float:
    """Train a model, and return its loss."""
    return rate * epochs


tuple(scores.shape)

# %% train
optimizer = torch.optim.SGD(layer.parameters(), lr=1e-3)
while True:
    optimizer.zero_grad()
    (layer(batch) ** 2).mean().backward()
    optimizer.step()

# %% look
`;
const lines = TEXT.split('\n');
const LINE = { make: 2, scores: lines.indexOf('scores = layer(batch)') + 1, train: lines.indexOf('while True:') + 1, look: lines.length };
const prepare = (/** @type {import('./harness/place.mjs').Place} */ place) => writeFileSync(join(place.workspace, NAME), TEXT);

/**
 * The first cell has run, the second runs, the cursor is in the third.
 * @param {import('./harness/stage.mjs').Stage} stage
 */
async function training(stage) {
  const window = await stage.window();
  await window.open(NAME);
  await window.runCellAt(LINE.make);
  await window.inline(/\(32, 4\)/, 120);
  await window.runCellAt(LINE.train);
  await window.statusBecomes(/busy|running/i);
  await window.goTo(LINE.look);
  return window;
}

/**
 * Type `text`; the list has `label`, and nothing twice. A picture, and the text is taken away again.
 * @param {import('./harness/stage.mjs').Stage} stage
 * @param {import('./harness/workbench.mjs').Workbench} window
 * @param {string} text
 * @param {string} label
 * @param {string} picture
 */
async function completes(stage, window, text, label, picture) {
  await typed(window, text);
  await offered(window, label);
  // While the list is narrowed the old rows still stand beside the new ones; what is there twice stays twice.
  const found = await until(() => rows(window), (now) => now.length > 0 && twice(now).length === 0, { seconds: 3, every: 50 });
  await stage.picture(window, picture);
  assert.deepEqual(twice(found), [], `after ${text}`);
  await untyped(window, (await caret(window)) - 1);
  return found;
}

/** @param {import('./harness/workbench.mjs').Workbench} window the column that the status bar shows */
async function caret(window) {
  const told = (await window.page.locator('.statusbar-item', { hasText: /Col \d+/ }).first().textContent()) ?? '';
  return Number(/Col (\d+)/.exec(told)?.[1] ?? 1);
}

test('while a cell trains, live members appear as a person types', { timeout: 300_000 }, onStage('intelligence', {
  settings: { 'workbench.colorTheme': 'Default Dark Modern' },
  prepare,
}, async (stage) => {
  const window = await training(stage);
  await typed(window, 'scores');
  const begun = Date.now();
  await window.page.keyboard.press('.');
  await offered(window, 'abs');
  process.stdout.write(`intelligence: the list stood ${Date.now() - begun} ms after the dot\n`);
  const members = await completes(stage, window, '', 'abs', 'members');
  assert.ok(members.length > 5, `a list of members: ${members.join(' | ')}`);
  await completes(stage, window, 'scores.backw', 'backward', 'filtered');
  await completes(stage, window, 'layer.we', 'weight', 'module');
  await completes(stage, window, 'frame.', 'people', 'frame');
  await completes(stage, window, 'np.', 'abs', 'numpy');
  await completes(stage, window, 'cfg["', 'opt', 'keys');
  await completes(stage, window, 'cfg["opt"]["', 'lr', 'nested-keys');
  await completes(stage, window, 'frame["', 'city', 'columns');
  await completes(stage, window, 'import to', 'torch', 'import');
  await typed(window, 'fit(');
  assert.match(await signature(window, /fit/), /epochs: int = 3/);
  await stage.picture(window, 'signature');
  await completes(stage, window, 'ra', 'rate=', 'parameter');

  await window.goTo(LINE.make);
  await drawn(window, /scores.*32.{1,3}4.*= layer/);
  await stage.picture(window, 'hints');
  const card = await window.hover('layer', /Linear/);
  await stage.picture(window, 'card-module');
  assert.match(card, /live/);
  assert.match(await window.hover('scores', /32.{1,3}4/), /float32/);
  await stage.picture(window, 'card-tensor');
  await window.goTo(LINE.scores);
  await typed(window, ' * 2');
  await window.hover('scores', /stale/);
  await stage.picture(window, 'stale-card');
  await window.page.mouse.move(5, 5);
  await window.page.locator('.monaco-hover:not(.hidden) .hover-contents').first().waitFor({ state: 'hidden' });
  await stage.picture(window, 'stale');
  await window.command('Yonder: Interrupt');
}));

test('beside a slow Python server there is theirs, ours, and nothing twice', { timeout: 300_000 }, onStage('beside', {
  settings: { 'workbench.colorTheme': 'Default Light Modern' },
  beside: ['slow-server'],
  prepare,
}, async (stage) => {
  const window = await training(stage);
  const asked = join(stage.place.workspace, 'asked.jsonl');
  await typed(window, 'scores.');
  await offered(window, 'abs');
  const shown = Date.now();
  const found = await completes(stage, window, 'sha', 'share_memory_', 'members');
  assert.ok(found.map(labelOf).includes('shape'), 'theirs, once');
  assert.ok(existsSync(asked), 'the other server was asked');
  await completes(stage, window, 'scores.only', 'only_theirs', 'theirs');
  const keys = await completes(stage, window, 'cfg["opt"]["', 'momentum', 'keys');
  assert.ok(keys.map((row) => labelOf(row).replaceAll('"', '')).includes('lr'), 'a key that they know is theirs to show');
  const names = await completes(stage, window, 'la', 'layer', 'names');
  assert.equal(names.map(labelOf).filter((label) => label === 'layer').length, 1);

  await typed(window, 'fit(');
  assert.match(await signature(window, /fit/), /Theirs/, 'a signature that they know is theirs');
  await untyped(window, await caret(window) - 1);
  await typed(window, 'layer(');
  await signature(window, /input/);
  await stage.picture(window, 'signature');
  await untyped(window, await caret(window) - 1);

  const card = await window.hover('layer', /their_card[\s\S]*Linear|Linear[\s\S]*their_card/);
  await stage.picture(window, 'cards');
  assert.match(card, /live/);
  const told = readFileSync(asked, 'utf8').trim().split('\n').map((line) => /** @type {{what: string, at: {asked: number, answered: number}}} */ (JSON.parse(line)));
  const dot = told.filter((one) => one.what === 'completion scores.').map((one) => one.at);
  const last = Math.max(...dot.slice(0, 2).map((at) => at.answered));
  process.stdout.write(`beside: theirs was asked at ${dot.map((at) => at.asked - (dot[0]?.asked ?? 0)).join(', ')} ms; the list stood ${shown - last} ms after their answer\n`);
  await window.command('Yonder: Interrupt');
  assert.deepEqual(await rows(window), []);
}));
