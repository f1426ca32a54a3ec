// Making elements.
// What belongs here: one short way to write a tree. What it must not know: what it shows. Text is always set as text, never as HTML.

type Child = Node | string | undefined;

export interface Attributes {
  readonly class?: string;
  readonly title?: string;
  readonly text?: string;
  readonly data?: Readonly<Record<string, string>>;
  readonly attr?: Readonly<Record<string, string>>;
  readonly click?: (event: MouseEvent) => void;
}

export function h<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Attributes = {}, ...children: readonly Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (attributes.class !== undefined) element.className = attributes.class;
  if (attributes.title !== undefined) element.title = attributes.title;
  if (attributes.text !== undefined) element.textContent = attributes.text;
  for (const [key, value] of Object.entries(attributes.data ?? {})) element.setAttribute(`data-${key}`, value);
  for (const [key, value] of Object.entries(attributes.attr ?? {})) element.setAttribute(key, value);
  if (attributes.click !== undefined) element.addEventListener("click", attributes.click as EventListener);
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

/** Writes only what differs: a text that is the same keeps the person's selection. */
export function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** The mark of a state; its shape and colour are the style sheet's. */
export function mark(state: string): HTMLElement {
  return h("span", { class: `mark ${state}`, attr: { "aria-label": state, role: "img" } });
}
