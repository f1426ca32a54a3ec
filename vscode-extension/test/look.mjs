// Looks at the extension in a real VS Code (code-server) beside the fake server and takes pictures into look/.
// What belongs here: a walk through the panel for a person's eyes. It asserts little; the end-to-end tests are elsewhere.
//   node test/look.mjs [--calls 8] [--light]      YONDER_CACHE: where code-server lies
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const home = dirname(dirname(fileURLToPath(import.meta.url)));
const option = (name, otherwise) => (process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : otherwise);
const calls = option("--calls", "8");
const theme = process.argv.includes("--light") ? "Default Light Modern" : "Default Dark Modern";
const pictures = join(home, "look");
const cache = process.env.YONDER_CACHE ?? join(homedir(), ".cache", "yonder-ci");
const entry = join(cache, "code-server-4.100.3", "node_modules", "code-server", "out", "node", "entry.js");

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

const EXAMPLE = `"""Train a small network on digits."""
import torch

# %% data
images = torch.zeros(1797, 8, 8)
images.mean()

# %% sweep
def train(variant):
    return variant

results = pool.map(train, variants)
results

# %% figure
plt.plot(results)

# %% wrong
1 / 0
`;

const place = mkdtempSync(join(tmpdir(), "yonder-look-"));
const [user, extensions, workspace] = ["user", "extensions", "digits"].map((name) => join(place, name));
for (const folder of [join(user, "User"), extensions, workspace, pictures]) mkdirSync(folder, { recursive: true });
writeFileSync(join(workspace, "digits_sweep.py"), EXAMPLE);
writeFileSync(join(user, "User", "settings.json"), JSON.stringify({ "workbench.startupEditor": "none", "workbench.colorTheme": theme, "window.menuBarVisibility": "compact", "chat.commandCenter.enabled": false }));
const port = await freePort();
const none = "http://127.0.0.1:9/none";
const server = spawn(
  process.execPath,
  [entry, "--bind-addr", `127.0.0.1:${port}`, "--auth", "none", "--disable-telemetry", "--disable-update-check", "--disable-workspace-trust", "--disable-getting-started-override", "--user-data-dir", user, "--extensions-dir", extensions, workspace],
  {
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, HOME: place, EXTENSIONS_GALLERY: JSON.stringify({ serviceUrl: none, itemUrl: none, resourceUrlTemplate: none }), YONDER_SERVER_COMMAND: JSON.stringify([process.execPath, join(home, "test", "fake-server.mjs")]), YONDER_FAKE: `calls:${calls}` },
  },
);
await new Promise((resolve) => server.stdout.on("data", (chunk) => String(chunk).includes("HTTP server listening") && resolve()));

const browser = await chromium.launch({
  executablePath: process.env.YONDER_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"],
});
try {
  const page = await browser.newPage({ viewport: { width: 1360, height: 860 }, deviceScaleFactor: 1.5 });
  page.on("console", (message) => /yonder|panel\.js|Content Security/i.test(message.text()) && process.stderr.write(`console: ${message.text()}\n`));
  const payload = encodeURIComponent(JSON.stringify([["extensionDevelopmentPath", `vscode-remote://127.0.0.1:${port}${home}`], ["skipWelcome", "true"]]));
  await page.goto(`http://127.0.0.1:${port}/?folder=${encodeURIComponent(workspace)}&payload=${payload}`);
  await page.locator(".monaco-workbench .part.editor").waitFor();
  await page.locator(".statusbar-item").first().waitFor();
  const shot = async (name) => {
    await page.screenshot({ path: join(pictures, `${name}.png`) });
    process.stdout.write(`${name}\n`);
  };
  const command = async (title) => {
    await page.keyboard.press("F1");
    await page.locator(".quick-input-widget input").fill(`>${title}`);
    await page.locator(`.quick-input-list .monaco-list-row[aria-label*="${title}"]`).first().click();
  };
  const panel = page.frameLocator("iframe.webview.ready").frameLocator("iframe#active-frame");
  const goto = async (line) => {
    await page.keyboard.press("Control+G");
    await page.locator(".quick-input-widget input").fill(`:${line}`);
    await page.keyboard.press("Enter");
  };
  await page.keyboard.press("Control+P");
  await page.locator(".quick-input-widget input").fill("digits_sweep.py");
  await page.locator('.quick-input-list .monaco-list-row[aria-label*="digits_sweep.py"]').first().click();
  await page.locator(".codelens-decoration a").first().waitFor();
  await command("Yonder: Show Metrics");
  await panel.locator(".welcome").waitFor();
  await shot("1-empty");
  await page.locator('.tab[data-resource-name="digits_sweep.py"]').click();
  await goto(5);
  await page.keyboard.press("Control+Alt+Enter");
  await panel.locator('[data-testid="run-row"][data-state="ok"]').first().waitFor();
  await goto(9);
  await page.keyboard.press("Control+Alt+Enter");
  await panel.locator(`[data-testid="chart"][data-metric="loss"][data-curves="${calls}"] canvas`).waitFor();
  await page.waitForTimeout(5000);
  await shot("2-running");
  await panel.locator('[data-testid="tab-executors"]').click();
  await panel.locator('[data-testid="call-row"]').first().waitFor();
  await page.waitForTimeout(500);
  await shot("3-executors");
  await panel.locator('[data-testid="tab-metrics"]').click();
  await panel.locator('[data-testid="run-row"][data-state="ok"]').nth(1).waitFor({ timeout: 40_000 });
  const chart = panel.locator('[data-testid="chart"][data-metric="accuracy"] .u-over');
  const box = await chart.boundingBox();
  await page.mouse.move(box.x + box.width * 0.45, box.y + box.height * 0.35);
  await page.mouse.move(box.x + box.width * 0.46, box.y + box.height * 0.36);
  await page.waitForTimeout(400);
  await shot("4-done-hover");
  await panel.locator('[data-testid="tab-output"]').click();
  await page.waitForTimeout(300);
  await shot("5-output");
  await panel.locator('[data-testid="tab-files"]').click();
  await panel.locator('[data-testid="file-row"]').first().waitFor();
  await page.waitForTimeout(300);
  await shot("8-files");
  await page.locator(".monaco-editor .view-lines").click();
  await goto(19);
  await page.keyboard.press("Control+Alt+Enter");
  await panel.locator('[data-testid="run-row"][data-state="error"]').first().waitFor();
  await goto(16);
  await page.keyboard.press("Control+Alt+Enter");
  await panel.locator('[data-testid="tab-figures"] .count:not(:empty)').waitFor();
  await panel.locator('[data-testid="tab-figures"]').click();
  await panel.locator('[data-testid="figure"]').first().waitFor();
  await shot("6-figures");
  await panel.locator('[data-testid="run-row"][data-state="error"]').click();
  await page.waitForTimeout(400);
  await shot("7-error");
  const texts = await page.locator(".monaco-editor .view-line span").evaluateAll((spans) => spans.map((span) => getComputedStyle(span, "::after").content).filter((text) => text !== "none" && text !== "normal"));
  process.stdout.write(`inline: ${texts.join(" | ")}\nstatus: ${await page.locator('.statusbar-item[id*="yonder"]').textContent()}\n`);
} catch (error) {
  await browser.contexts()[0]?.pages()[0]?.screenshot({ path: join(pictures, "failed.png") });
  throw error;
} finally {
  await browser.close();
  process.kill(-server.pid, "SIGKILL");
  rmSync(place, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}
