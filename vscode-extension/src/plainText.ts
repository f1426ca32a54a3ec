// Terminal output as a document shows it: text only.
// What belongs here: leaving out colours, cursor movements and what a carriage return has overwritten. What it must not know: documents.

const ESCAPES = /\u001b(?:\[[0-9;:?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\-_])/g;

export function plainText(text: string): string {
  return text
    .replaceAll(ESCAPES, "")
    .split("\n")
    .map((line) => {
      const parts = line.replace(/\r+$/, "").split("\r");
      return parts.reduce((shown, part) => part + shown.slice(part.length), "");
    })
    .join("\n");
}

/** A run's output as one text; says so when its beginning was left out. */
export function wholeText(pieces: readonly { readonly text: string }[], skipped: number): string {
  const text = plainText(pieces.map((piece) => piece.text).join(""));
  return skipped > 0 ? `[The beginning is left out: it is too long for the editor.]\n${text}` : text;
}
