/**
 * Syntax tree of @lezer/python → expressions of the rules language. A strict list of what is known: everything else is an error
 * at its place.
 */
import type { RulesError } from "../errors.ts";
import type { Argument, BinaryOperator, Clause, Expression, FormatPart, Parameter, Target } from "./ast.ts";
import { decodeString, parseNumber, stringShape } from "./literals.ts";
import type { Source } from "./source.ts";
import { children, MAX_NESTING, type SyntaxNode, textOf, unsupported } from "./tree.ts";

const BINARY: ReadonlySet<string> = new Set(["or", "and", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "+", "-", "*", "/", "//", "%"]);
const COMPARISON: ReadonlySet<string> = new Set(["==", "!=", "<", "<=", ">", ">=", "in", "not in"]);

/** Starlark's reserved words that @lezer/python lets pass as names in some place or other. */
const RESERVED: ReadonlySet<string> = new Set(
  "and as assert async await break class continue def del elif else except finally for from global if import in is lambda load nonlocal not or pass raise return try while with yield".split(
    " ",
  ),
);

export class ExpressionBuilder {
  readonly source: Source;
  #depth = 0;

  constructor(source: Source) {
    this.source = source;
  }

  error(summary: string, node: SyntaxNode): RulesError {
    return this.source.error("syntax", summary, node.from);
  }

  /** Runs `build` one level deeper. */
  nested<T>(node: SyntaxNode, build: () => T): T {
    if (++this.#depth > MAX_NESTING) throw this.source.error("limit", `nested deeper than ${MAX_NESTING} levels`, node.from);
    const result = build();
    this.#depth--;
    return result;
  }

  name(node: SyntaxNode): string {
    const name = textOf(this.source, node);
    if (name === "load") throw this.source.error("unsupported", "load() is not allowed: a rules file stands alone", node.from);
    if (RESERVED.has(name)) throw this.error(`${name} is a reserved word`, node);
    return name;
  }

  expression(node: SyntaxNode): Expression {
    return this.nested(node, () => this.#expression(node));
  }

  #expression(node: SyntaxNode): Expression {
    const at = node.from;
    const parts = children(node);
    switch (node.name) {
      case "VariableName":
        return { kind: "name", name: this.name(node), at };
      case "None":
        return { kind: "constant", value: null, at };
      case "Boolean":
        return { kind: "constant", value: textOf(this.source, node) === "True", at };
      case "Number": {
        const number = parseNumber(this.source, node.from, node.to);
        return number.kind === "int" ? { kind: "constant", value: number.value, at } : { kind: "float", value: number.value, at };
      }
      case "String": {
        const shape = stringShape(this.source, node.from, node.to, false);
        return { kind: "constant", value: decodeString(this.source, shape.from, shape.to, shape.raw), at };
      }
      case "FormatString":
        return { kind: "format", parts: this.#format(node), at };
      case "ParenthesizedExpression":
        return this.expression(this.#only(node, parts[1]));
      case "TupleExpression":
        return { kind: "tuple", items: this.#items(node, parts.slice(1, -1)), at };
      case "ArrayExpression":
        return { kind: "list", items: this.#items(node, parts.slice(1, -1)), at };
      case "DictionaryExpression":
        return { kind: "dict", entries: this.#entries(parts.slice(1, -1)), at };
      case "ArrayComprehensionExpression":
        return {
          kind: "list-comprehension",
          item: this.expression(this.#only(node, parts[1])),
          clauses: this.#clauses(node, parts.slice(2, -1)),
          at,
        };
      case "DictionaryComprehensionExpression":
        return {
          kind: "dict-comprehension",
          key: this.expression(this.#only(node, parts[1])),
          value: this.expression(this.#only(node, parts[3])),
          clauses: this.#clauses(node, parts.slice(4, -1)),
          at,
        };
      case "UnaryExpression":
        return this.#unary(node, parts);
      case "BinaryExpression":
        return this.#binary(node, parts);
      case "ConditionalExpression":
        return {
          kind: "conditional",
          yes: this.expression(this.#only(node, parts[0])),
          test: this.expression(this.#only(node, parts[2])),
          otherwise: this.expression(this.#only(node, parts[4])),
          at,
        };
      case "CallExpression":
        return { kind: "call", callee: this.expression(this.#only(node, parts[0])), args: this.#args(this.#only(node, parts[1])), at };
      case "MemberExpression":
        return this.#member(node, parts);
      case "LambdaExpression": {
        const list = parts.find((part) => part.name === "ParamList");
        return {
          kind: "lambda",
          parameters: list ? this.parameters(list) : [],
          body: this.expression(this.#only(node, parts.at(-1))),
          at,
        };
      }
      default:
        throw unsupported(this.source, node);
    }
  }

  #only(parent: SyntaxNode, node: SyntaxNode | undefined): SyntaxNode {
    if (!node) throw unsupported(this.source, parent);
    return node;
  }

  #items(parent: SyntaxNode, nodes: readonly SyntaxNode[]): Expression[] {
    if (nodes.some((node) => node.name === "for" || node.name === "*")) throw unsupported(this.source, parent);
    return nodes.filter((node) => node.name !== ",").map((node) => this.expression(node));
  }

  /** One expression, or a tuple without parentheses: `a, b`. */
  list(parent: SyntaxNode, nodes: readonly SyntaxNode[]): Expression {
    const first = this.#only(parent, nodes[0]);
    if (nodes.length === 1) return this.expression(first);
    return { kind: "tuple", items: this.#items(parent, nodes), at: first.from };
  }

  #entries(nodes: readonly SyntaxNode[]): (readonly [Expression, Expression])[] {
    const entries: (readonly [Expression, Expression])[] = [];
    for (let i = 0; i < nodes.length; i += 4) {
      const [key, colon, value] = nodes.slice(i, i + 3);
      if (!key || key.name === "**" || colon?.name !== ":" || !value) throw unsupported(this.source, key ?? (nodes[0] as SyntaxNode));
      entries.push([this.expression(key), this.expression(value)]);
    }
    return entries;
  }

  #clauses(parent: SyntaxNode, nodes: readonly SyntaxNode[]): Clause[] {
    const clauses: Clause[] = [];
    let i = 0;
    while (i < nodes.length) {
      const keyword = this.#only(parent, nodes[i]);
      if (keyword.name === "if") {
        clauses.push({ kind: "if", test: this.expression(this.#only(parent, nodes[i + 1])), at: keyword.from });
        i += 2;
        continue;
      }
      const end = nodes.findIndex((node, index) => index > i && node.name === "in");
      if (keyword.name !== "for" || end < 0) throw unsupported(this.source, keyword);
      const target = this.target(keyword, nodes.slice(i + 1, end));
      clauses.push({ kind: "for", target, items: this.expression(this.#only(parent, nodes[end + 1])), at: keyword.from });
      i = end + 2;
    }
    return clauses;
  }

  /** What stands left of `=`, or between `for` and `in`. */
  target(parent: SyntaxNode, nodes: readonly SyntaxNode[]): Target {
    const first = this.#only(parent, nodes[0]);
    if (nodes.length > 1) return { kind: "unpack", items: this.#targets(nodes), at: first.from };
    return this.nested(first, () => {
      const parts = children(first);
      switch (first.name) {
        case "VariableName":
          return { kind: "name", name: this.name(first), at: first.from };
        case "ParenthesizedExpression":
        case "TupleExpression":
        case "ArrayExpression":
          if (first.name === "ParenthesizedExpression") return this.target(first, parts.slice(1, -1));
          return { kind: "unpack", items: this.#targets(parts.slice(1, -1)), at: first.from };
        case "MemberExpression": {
          const member = this.expression(first);
          if (member.kind === "index") return { kind: "index", object: member.object, key: member.key, at: first.from };
          throw this.error("only names and items can be assigned to", first);
        }
        default:
          throw this.error("only names and items can be assigned to", first);
      }
    });
  }

  #targets(nodes: readonly SyntaxNode[]): Target[] {
    return nodes.filter((node) => node.name !== ",").map((node) => this.target(node, [node]));
  }

  #unary(node: SyntaxNode, parts: readonly SyntaxNode[]): Expression {
    const [sign, operand] = [this.#only(node, parts[0]), this.#only(node, parts[1])];
    const operator = textOf(this.source, sign);
    if (operator !== "-" && operator !== "+" && operator !== "not") throw unsupported(this.source, sign);
    return { kind: "unary", operator, operand: this.expression(operand), at: node.from };
  }

  #binary(node: SyntaxNode, parts: readonly SyntaxNode[]): Expression {
    const left = this.#only(node, parts[0]);
    const right = this.#only(node, parts.at(-1));
    const sign = this.#only(node, parts[1]);
    const operator = parts
      .slice(1, -1)
      .map((part) => textOf(this.source, part))
      .join(" ");
    if (!BINARY.has(operator))
      throw this.source.error("unsupported", `the rules language does not have the operator ${operator}`, sign.from);
    const isComparison = (operand: SyntaxNode) =>
      operand.name === "BinaryExpression" &&
      COMPARISON.has(
        children(operand)
          .slice(1, -1)
          .map((part) => textOf(this.source, part))
          .join(" "),
      );
    if (COMPARISON.has(operator) && (isComparison(left) || isComparison(right))) {
      throw this.error("comparisons do not chain: use and", sign);
    }
    return {
      kind: "binary",
      operator: operator as BinaryOperator,
      left: this.expression(left),
      right: this.expression(right),
      at: sign.from,
    };
  }

  #member(node: SyntaxNode, parts: readonly SyntaxNode[]): Expression {
    const object = this.expression(this.#only(node, parts[0]));
    const at = node.from;
    if (parts[1]?.name === ".") return { kind: "attribute", object, name: textOf(this.source, this.#only(node, parts[2])), at };
    const inside = parts.slice(2, -1);
    if (!inside.some((part) => part.name === ":")) return { kind: "index", object, key: this.list(node, inside), at };
    const bounds: [Expression | undefined, Expression | undefined, Expression | undefined] = [undefined, undefined, undefined];
    let place = 0;
    for (const part of inside) {
      if (part.name === ":") place++;
      else if (part.name === "," || place > 2 || bounds[place]) throw this.error("this is not a slice", part);
      else bounds[place] = this.expression(part);
    }
    return { kind: "slice", object, bounds, at };
  }

  #args(list: SyntaxNode): Argument[] {
    const args: Argument[] = [];
    const names = new Set<string>();
    for (const group of this.#groups(list)) {
      const [first, second, third] = group;
      if (!first) throw this.error("an argument is missing", list);
      const at = first.from;
      if (first.name === "*" || first.name === "**") {
        const kind = first.name === "*" ? "spread" : "named-spread";
        args.push({ kind, name: undefined, value: this.expression(this.#only(first, second)), at });
      } else if (second?.name === "AssignOp") {
        const name = this.name(first);
        if (names.has(name)) throw this.error(`${name} is given twice`, first);
        names.add(name);
        args.push({ kind: "named", name, value: this.expression(this.#only(first, third)), at });
      } else {
        if (second)
          throw second.name === "for"
            ? this.source.error("unsupported", "the rules language does not have generators", at)
            : unsupported(this.source, second);
        if (args.some((arg) => arg.kind !== "positional")) throw this.error("a positional argument cannot follow a named one", first);
        args.push({ kind: "positional", name: undefined, value: this.expression(first), at });
      }
    }
    return args;
  }

  /** The children of an argument or parameter list, one group between commas each. */
  #groups(list: SyntaxNode): SyntaxNode[][] {
    const groups: SyntaxNode[][] = [];
    let group: SyntaxNode[] = [];
    for (const part of children(list)) {
      if (part.name === "(" || part.name === ")") continue;
      if (part.name === ",") {
        groups.push(group);
        group = [];
      } else group.push(part);
    }
    if (group.length > 0) groups.push(group);
    return groups;
  }

  parameters(list: SyntaxNode): Parameter[] {
    const parameters: Parameter[] = [];
    let namedOnly = false;
    let fallbackSeen = false;
    for (const group of this.#groups(list)) {
      const [first, second, third] = group;
      if (!first) throw this.error("a parameter is missing", list);
      if (parameters.at(-1)?.kind === "named-rest") throw this.error("nothing can follow the ** parameter", first);
      const starred = first.name === "*" || first.name === "**";
      const nameNode = starred ? second : first;
      if (first.name === "*") {
        if (namedOnly) throw this.error("there can be only one * parameter", first);
        namedOnly = true;
        if (!nameNode) continue;
      }
      if (nameNode?.name !== "VariableName") throw unsupported(this.source, nameNode ?? first);
      const name = this.name(nameNode);
      if (parameters.some((parameter) => parameter.name === name)) throw this.error(`two parameters are called ${name}`, nameNode);
      if (starred) {
        if (third) throw unsupported(this.source, third);
        parameters.push({ kind: first.name === "*" ? "rest" : "named-rest", name, namedOnly: false, fallback: undefined, at: first.from });
        continue;
      }
      if (second && second.name !== "AssignOp") throw unsupported(this.source, second);
      const fallback = second ? this.expression(this.#only(second, third)) : undefined;
      if (!fallback && fallbackSeen && !namedOnly) throw this.error("a parameter without a default cannot follow one with", nameNode);
      fallbackSeen ||= fallback !== undefined;
      parameters.push({ kind: "one", name, namedOnly, fallback, at: first.from });
    }
    return parameters;
  }

  /** As in Codex's dialect, only a plain name stands in the braces of an f-string. */
  #format(node: SyntaxNode): FormatPart[] {
    const shape = stringShape(this.source, node.from, node.to, true);
    const parts: FormatPart[] = [];
    let from = shape.from;
    const literal = (to: number) => {
      if (to <= from) return;
      if (/(?<!\})(?:\}\})*\}(?!\})/.test(this.source.text.slice(from, to))) throw this.error("a single } in an f-string: write }}", node);
      parts.push(decodeString(this.source, from, to, shape.raw).replaceAll("{{", "{").replaceAll("}}", "}"));
    };
    for (const part of children(node)) {
      if (part.name !== "FormatReplacement") continue;
      literal(part.from);
      from = part.to;
      const [, name, conversion, end] = children(part);
      if (name?.name !== "VariableName" || (conversion?.name !== "}" && end?.name !== "}")) {
        throw this.source.error("unsupported", "only a name, {name} or {name!r}, stands in the braces of an f-string", part.from);
      }
      const how = conversion?.name === "FormatConversion" ? textOf(this.source, conversion) : "!s";
      if (how !== "!s" && how !== "!r") throw this.source.error("unsupported", `f-strings know !s and !r, not ${how}`, part.from);
      parts.push({ name: this.name(name), repr: how === "!r", at: name.from });
    }
    literal(shape.to);
    return parts;
  }
}
