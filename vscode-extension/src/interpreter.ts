// Which Python the person has selected for the project.
// What belongs here: asking the Python extension, if there is one. What it must not know: what is done with the answer; without
// that extension the server looks for itself.
import * as vscode from "vscode";

const PYTHON_EXTENSION = "ms-python.python";
const PATIENCE_MS = 4000;

/** The part of the Python extension's public interface that is used. */
interface PythonExtension {
  readonly environments: {
    getActiveEnvironmentPath(resource?: vscode.Uri): { readonly path: string };
    resolveEnvironment(environment: { readonly path: string }): Promise<{ readonly executable: { readonly uri?: vscode.Uri } } | undefined>;
    readonly onDidChangeActiveEnvironmentPath: vscode.Event<unknown>;
  };
}

function isPythonExtension(value: unknown): value is PythonExtension {
  return typeof value === "object" && value !== null && "environments" in value && typeof value.environments === "object";
}

export class Interpreter implements vscode.Disposable {
  readonly #changed = new vscode.EventEmitter<void>();
  readonly onChanged = this.#changed.event;
  #subscription: vscode.Disposable | undefined;

  /** The selected interpreter's path, "" when nobody knows. Never waits long for a slow extension. */
  async path(folder: vscode.Uri | undefined): Promise<string> {
    const late = new Promise<string>((resolve) => setTimeout(() => resolve(""), PATIENCE_MS).unref());
    return Promise.race([this.#selected(folder).catch(() => ""), late]); // its failure is its own affair: the server looks for itself
  }

  async #selected(folder: vscode.Uri | undefined): Promise<string> {
    const extension = vscode.extensions.getExtension(PYTHON_EXTENSION);
    if (extension === undefined) return "";
    const found: unknown = await extension.activate();
    if (!isPythonExtension(found)) return "";
    this.#subscription ??= found.environments.onDidChangeActiveEnvironmentPath(() => this.#changed.fire());
    const active = found.environments.getActiveEnvironmentPath(folder);
    const resolved = await found.environments.resolveEnvironment(active);
    return resolved?.executable.uri?.fsPath ?? "";
  }

  dispose(): void {
    this.#subscription?.dispose();
    this.#changed.dispose();
  }
}
