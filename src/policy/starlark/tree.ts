/**
 * A thin layer over the syntax tree of @lezer/python: parse strictly, walk without comments, and never too deep.
 *
 * Guarantees: a file with any syntax error gives no tree at all, so nothing of it can be half-accepted.
 * Relies on: `strict` parsing, which throws `No parse at OFFSET` where error recovery would begin.
 */
import type { SyntaxNode } from "@lezer/common";
import { parser } from "@lezer/python";
import type { RulesError } from "../errors.ts";
import type { Source } from "./source.ts";

export type { SyntaxNode };

/** The deepest that expressions and blocks may nest. Deeper is no rules file, and would threaten the stack. */
export const MAX_NESTING = 200;

/** The largest rules file, in UTF-16 units. */
export const MAX_FILE = 4 << 20;

const strict = parser.configure({ strict: true });

/** Parses a whole file. @throws {RulesError} code `syntax` at the first place that cannot be read, `limit` where it is too large. */
export function parseTree(source: Source): SyntaxNode {
  if (source.text.length > MAX_FILE) throw source.error("limit", `this file is larger than ${MAX_FILE >> 20} MiB`, 0);
  const odd = /\p{Cs}|\0/u.exec(source.text);
  if (odd) throw source.error("syntax", "this character cannot be part of a rules file", odd.index);
  try {
    return strict.parse(source.text).topNode;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const offset = Number(/No parse at (\d+)/.exec(error.message)?.[1] ?? 0);
    throw source.error("syntax", describe(source.text, offset), offset, { cause: error });
  }
}

/** What the parser did not expect at `offset`. */
function describe(text: string, offset: number): string {
  const found = /^[ \t]*(?:(\r?\n|#)|([\p{L}_][\p{L}\p{N}_]*)|(\d+)|(.))/u.exec(text.slice(offset, offset + 80));
  if (!found) return "the file ends too early: something is not closed";
  if (found[1]) return "this line ends too early, or the next is indented wrongly";
  return `this does not belong here: ${found[2] ?? found[3] ?? found[4]}`;
}

/** The children of `node` without comments. */
export function children(node: SyntaxNode): SyntaxNode[] {
  const nodes: SyntaxNode[] = [];
  for (let child = node.firstChild; child; child = child.nextSibling) if (child.name !== "Comment") nodes.push(child);
  return nodes;
}

/** The text that `node` covers. */
export function textOf(source: Source, node: SyntaxNode): string {
  return source.text.slice(node.from, node.to);
}

const MEANING: ReadonlyMap<string, string> = new Map([
  ["WhileStatement", "while"],
  ["ClassDefinition", "class"],
  ["ImportStatement", "import"],
  ["TryStatement", "try"],
  ["WithStatement", "with"],
  ["ScopeStatement", "global and nonlocal"],
  ["RaiseStatement", "raise"],
  ["AssertStatement", "assert"],
  ["DeleteStatement", "del"],
  ["YieldStatement", "yield"],
  ["YieldExpression", "yield"],
  ["AwaitExpression", "await"],
  ["DecoratedStatement", "decorators"],
  ["MatchStatement", "match statements"],
  ["PrintStatement", "print"],
  ["TypeDefinition", "type"],
  ["SetExpression", "sets"],
  ["SetComprehensionExpression", "set comprehensions"],
  ["ComprehensionExpression", "generators"],
  ["NamedExpression", ":="],
  ["Ellipsis", "..."],
  ["ContinuedString", "strings joined by standing side by side (use +)"],
  ["TypeDef", "type annotations"],
]);

/** The error for a construct that the parser knows and the rules language does not have. */
export function unsupported(source: Source, node: SyntaxNode): RulesError {
  const what = MEANING.get(node.name) ?? textOf(source, node).split(/\s/, 1)[0] ?? node.name;
  return source.error("unsupported", `the rules language does not have ${what}`, node.from);
}
