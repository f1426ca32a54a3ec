// The source of what a session has (`yonder-remote:`): read-only documents, and the command that opens one.
// What belongs here: the file system that the editor asks. What it must not know: where texts are kept.
import * as vscode from "vscode";
import type { Server } from "./client";
import { isRange } from "./lines";
import type { PathStep, Range, SourceAt, SourceResult } from "./protocol.gen";
import { RemoteTexts } from "./remoteTexts";

export const REMOTE_SCHEME = "yonder-remote";

export class RemoteSources implements vscode.FileSystemProvider {
  readonly #changed = new vscode.EventEmitter<vscode.FileChangeEvent[]>();
  readonly onDidChangeFile = this.#changed.event;
  readonly #texts: RemoteTexts;

  constructor(ask: (uri: string) => Promise<SourceResult>, log: (error: unknown) => void) {
    this.#texts = new RemoteTexts(ask, log);
  }

  register(): vscode.Disposable {
    return vscode.Disposable.from(
      this.#changed,
      vscode.workspace.registerFileSystemProvider(REMOTE_SCHEME, this, { isReadonly: true, isCaseSensitive: true }),
      vscode.workspace.onDidOpenTextDocument((document) => {
        // a file without an ending, or code that never was a file
        if (document.uri.scheme === REMOTE_SCHEME && document.languageId !== "python") void vscode.languages.setTextDocumentLanguage(document, "python");
      }),
    );
  }

  /** The server is there (again): what could not be shown is asked for once more. */
  again(): void {
    this.#changed.fire(this.#texts.again().map((uri) => ({ type: vscode.FileChangeType.Changed, uri: vscode.Uri.parse(uri) })));
  }

  async stat(uri: vscode.Uri): Promise<vscode.FileStat> {
    const { bytes, version } = await this.#texts.get(uri.toString());
    return { type: vscode.FileType.File, ctime: 0, mtime: version, size: bytes.byteLength, permissions: vscode.FilePermission.Readonly };
  }

  async readFile(uri: vscode.Uri): Promise<Uint8Array> {
    return (await this.#texts.get(uri.toString())).bytes;
  }

  watch(): vscode.Disposable {
    return new vscode.Disposable(() => undefined); // a text under a content's name never changes
  }

  readDirectory(): [string, vscode.FileType][] {
    return [];
  }

  createDirectory(uri: vscode.Uri): never {
    throw vscode.FileSystemError.NoPermissions(uri);
  }

  writeFile(uri: vscode.Uri): never {
    throw vscode.FileSystemError.NoPermissions(uri);
  }

  delete(uri: vscode.Uri): never {
    throw vscode.FileSystemError.NoPermissions(uri);
  }

  rename(uri: vscode.Uri): never {
    throw vscode.FileSystemError.NoPermissions(uri);
  }
}

/** `yonder.showSource`, with the document's URI and a range in it, or for the cursor: what stands there, as the session has it. */
export async function showSource(server: Server, uri: unknown, range: unknown, path: readonly PathStep[] = []): Promise<void> {
  const editor = vscode.window.activeTextEditor;
  const selection = isRange(range) ? range : (editor?.selection ?? (path.length > 0 ? new vscode.Selection(0, 0, 0, 0) : undefined));
  const document = typeof uri === "string" ? uri : editor?.document.uri.toString();
  if (document === undefined || selection === undefined) throw new Error("Open a Python file first, and put the cursor on a name.");
  const found: SourceAt = await server.request("yonder/sourceAt", { uri: document, selection: plain(selection), path });
  if (found.uri === "") {
    void vscode.window.showInformationMessage(found.sentence);
    return;
  }
  const { start, end } = found.range;
  const at = new vscode.Range(start.line, start.character, end.line, end.character);
  await vscode.window.showTextDocument(vscode.Uri.parse(found.uri), { selection: at, preview: true });
}

function plain({ start, end }: Range): Range {
  return { start: { line: start.line, character: start.character }, end: { line: end.line, character: end.character } };
}
