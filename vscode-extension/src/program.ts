// Starting a program and reading what it says.
// What belongs here: one way to do it, without a shell and without the window's standard input. What it must not know: which programs.
import { spawn } from "node:child_process";
import type { Outcome } from "./python";

const KEEP = 200_000;

/** The outcome of `program args`; one that cannot be started is code 127, like in a shell. */
export function runProgram(program: string, args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], windowsHide: true });
    let output = "";
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.toString("utf8")).slice(-KEEP);
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.on("error", (error) => resolve({ code: 127, output: error.message }));
    child.on("close", (code, signal) => resolve({ code: code ?? 128, output: signal === null ? output : `${output}\nended by ${signal}` }));
  });
}
