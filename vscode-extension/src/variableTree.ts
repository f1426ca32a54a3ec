// The rows of the Variables view as they were asked for: pages, a filter, what has changed since the run before.
// What belongs here: the pure model behind the tree, one question to the server at a time. What it must not know: the editor, icons.
import type { PathStep, Variable, VariablesParams, VariablesResult } from "./protocol.gen";

export const PAGE = 100;
/** Values remembered to see what has changed; beyond that it begins anew. */
const REMEMBERED = 5000;

export type Path = readonly PathStep[];

export interface Row {
  readonly kind: "row";
  readonly id: string;
  /** How Python writes the way to it; "" when no safe path leads there. */
  readonly expression: string;
  readonly path: Path;
  readonly variable: Variable;
  /** Its value is another one than after the run before. */
  readonly changed: boolean;
}

export interface More {
  readonly kind: "more";
  readonly id: string;
  readonly parent: string;
  readonly text: string;
}

export interface Note {
  readonly kind: "note";
  readonly id: string;
  readonly text: string;
}

export type Node = Row | More | Note;
export type Ask = (params: VariablesParams) => Promise<VariablesResult>;

export function keyOf(path: Path): string {
  return JSON.stringify(path.map((step) => [step.kind, step.value]));
}

/** A path that came with a command: from a link it could be anything. */
export function isPath(value: unknown): value is readonly PathStep[] {
  return Array.isArray(value) && value.length > 0 && value.length <= 100 && value.every(isStep);
}

function isStep(value: unknown): boolean {
  if (typeof value !== "object" || value === null || !("kind" in value) || !("value" in value)) return false;
  const kinds: readonly unknown[] = ["name", "attr", "key", "index"];
  return kinds.includes(value.kind) && (typeof value.value === "string" || typeof value.value === "number");
}

/** The path as an expression. */
export function expressionOf(path: Path): string {
  return path.map((step) => (step.kind === "name" ? `${step.value}` : step.kind === "attr" ? `.${step.value}` : `[${literal(step.value)}]`)).join("");
}

function literal(value: string | number): string {
  if (typeof value === "number") return `${value}`;
  const quote = value.includes("'") && !value.includes('"') ? '"' : "'";
  return `${quote}${value.replaceAll("\\", "\\\\").replaceAll(quote, `\\${quote}`).replaceAll("\n", "\\n").replaceAll("\r", "\\r")}${quote}`;
}

/** What stands dim behind the name. */
export function described(variable: Variable, figures: string): string {
  const kind = variable.type.split(".").at(-1) ?? "";
  const value = variable.short.toLowerCase().includes(kind.toLowerCase()) || kind === "" ? variable.short : `${variable.short} · ${kind}`;
  return figures === "" ? value : `${figures} · ${value}`; // what was asked for must not be cut off
}

interface Seen {
  readonly generation: number;
  readonly now: string;
  /** Its value at the end of the run before, undefined when it was not seen then. */
  readonly before: string | undefined;
}

export class VariableTree {
  readonly #wanted = new Map<string, number>();
  readonly #seen = new Map<string, Seen>();
  #turn: Promise<unknown> = Promise.resolve();
  #open = 0;
  filter = "";
  /** What the last answer for the names themselves said. */
  last: VariablesResult | undefined;

  constructor(
    private readonly ask: Ask,
    private readonly uri: () => string,
  ) {}

  /** A question is under way. */
  get asking(): boolean {
    return this.#open > 0;
  }

  /** The rows inside `of`; undefined: the session's names. Never rejects: a failure is a row that says so. */
  async children(of: Row | undefined): Promise<readonly Node[]> {
    const path = of?.path ?? [];
    const parent = of?.id ?? "";
    this.#open += 1;
    const mine = this.#turn.then(() => this.#rows(path, parent));
    this.#turn = mine.catch(() => undefined);
    try {
      return await mine;
    } catch (error) {
      return [{ kind: "note", id: `${parent}!`, text: error instanceof Error ? error.message : String(error) }];
    } finally {
      this.#open -= 1;
    }
  }

  /** One page more of what `more` stands under. */
  more(more: More): void {
    this.#wanted.set(more.parent, (this.#wanted.get(more.parent) ?? PAGE) + PAGE);
  }

  /** Another filter: the pages that were opened belong to the old one. */
  anew(filter: string): void {
    this.filter = filter;
    this.#wanted.clear();
  }

  /** Another session: its values are no news of the names that the one before had. */
  elsewhere(): void {
    this.#wanted.clear();
    this.#seen.clear();
  }

  async #rows(path: Path, parent: string): Promise<readonly Node[]> {
    const wanted = this.#wanted.get(parent) ?? PAGE;
    const nodes: Node[] = [];
    let answer: VariablesResult;
    do {
      answer = await this.ask({ uri: this.uri(), path, filter: path.length === 0 ? this.filter : "", offset: nodes.length, limit: PAGE });
      for (const variable of answer.variables) nodes.push(this.#row(path, parent, variable, nodes.length, answer.generation));
    } while (answer.variables.length > 0 && nodes.length < Math.min(wanted, answer.total));
    if (path.length === 0) this.last = answer;
    const left = answer.total - nodes.length;
    if (left > 0 && nodes.length > 0) nodes.push({ kind: "more", id: `${parent}+`, parent, text: `show ${Math.min(PAGE, left)} more of ${left}…` });
    if (path.length > 0 && nodes.length === 0) nodes.push({ kind: "note", id: `${parent}!`, text: answer.sentence === "" ? "nothing inside that can be shown" : answer.sentence });
    return nodes;
  }

  #row(path: Path, parent: string, variable: Variable, at: number, generation: number): Row {
    const own = variable.step === null ? [] : [...path, variable.step];
    const id = variable.step === null ? `${parent}#${at}` : keyOf(own);
    return { kind: "row", id, expression: expressionOf(own), path: own, variable, changed: this.#changed(id, variable, generation) };
  }

  #changed(id: string, variable: Variable, generation: number): boolean {
    const now = `${variable.type}\0${variable.short}\0${variable.children}`;
    const known = this.#seen.get(id);
    const before = known === undefined || generation < known.generation ? undefined : generation > known.generation ? known.now : known.before;
    if (this.#seen.size >= REMEMBERED && known === undefined) this.#seen.clear();
    this.#seen.set(id, { generation, now, before });
    return before !== undefined && before !== now;
  }
}
