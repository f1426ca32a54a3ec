// The one log channel `Yonder`.
// What belongs here: writing lines with their level. What it must not know: what they are about. Nothing secret is given to it.
import type { LogOutputChannel } from "vscode";
import type { LogLine } from "./protocol.gen";

export class Log {
  constructor(readonly channel: LogOutputChannel) {}

  info(text: string): void {
    this.channel.info(text);
  }

  warn(text: string): void {
    this.channel.warn(text);
  }

  error(text: string, cause?: unknown): void {
    this.channel.error(cause === undefined ? text : `${text}: ${cause instanceof Error ? (cause.stack ?? cause.message) : JSON.stringify(cause)}`);
  }

  /** A line of the language server. */
  server(line: LogLine): void {
    switch (line.level) {
      case "debug":
        this.channel.debug(line.text);
        break;
      case "info":
        this.channel.info(line.text);
        break;
      case "warning":
        this.channel.warn(line.text);
        break;
      case "error":
        this.channel.error(line.text);
        break;
    }
  }

  /** Runs `work` and writes how long the phase took, also when it failed. */
  async phase<T>(name: string, work: () => Promise<T>): Promise<T> {
    const began = performance.now();
    try {
      const result = await work();
      this.info(`${name}: ${Math.round(performance.now() - began)} ms`);
      return result;
    } catch (error) {
      this.warn(`${name} failed after ${Math.round(performance.now() - began)} ms`);
      throw error;
    }
  }
}
