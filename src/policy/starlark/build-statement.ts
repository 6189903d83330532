/**
 * Source text → statements of the rules language. The whole file is checked before anything of it runs.
 *
 * Guarantees: what is returned holds only constructs of ast.ts; `return` only inside a function, `break` and `continue` only inside
 * a loop.
 */
import type { BinaryOperator, Statement, Target } from "./ast.ts";
import { ExpressionBuilder } from "./build-expression.ts";
import type { Source } from "./source.ts";
import { children, parseTree, type SyntaxNode, textOf, unsupported } from "./tree.ts";

const UPDATES: ReadonlyMap<string, BinaryOperator> = new Map([
  ["+=", "+"],
  ["-=", "-"],
  ["*=", "*"],
  ["/=", "/"],
  ["//=", "//"],
  ["%=", "%"],
]);

interface Place {
  readonly inLoop: boolean;
  readonly inFunction: boolean;
}

/** Parses a rules file. @throws {RulesError} with the place of the first thing that is wrong. */
export function parseFile(source: Source): Statement[] {
  return new StatementBuilder(source).block(parseTree(source), { inLoop: false, inFunction: false });
}

class StatementBuilder {
  readonly #source: Source;
  readonly #expressions: ExpressionBuilder;

  constructor(source: Source) {
    this.#source = source;
    this.#expressions = new ExpressionBuilder(source);
  }

  /** The statements of a file or a body. */
  block(node: SyntaxNode, place: Place): Statement[] {
    return this.#expressions.nested(node, () =>
      children(node)
        .filter((child) => child.name !== ":")
        .flatMap((child) => {
          if (node.name === "Script" && /[ \t]/.test(this.#source.text[child.from - 1] ?? "") && this.#startsLine(child)) {
            throw this.#source.error("syntax", "this line is indented for no reason", child.from);
          }
          return this.#statement(child, place);
        }),
    );
  }

  /** True where only blanks stand before `node` on its line, and the line does not continue another. */
  #startsLine(node: SyntaxNode): boolean {
    const { text } = this.#source;
    const line = Math.max(text.lastIndexOf("\n", node.from - 1), text.lastIndexOf("\r", node.from - 1)) + 1;
    return text.slice(line, node.from).trim() === "" && !/\\\r?\n?$/.test(text.slice(Math.max(0, line - 3), line));
  }

  #statement(node: SyntaxNode, place: Place): Statement[] {
    const at = node.from;
    const parts = children(node);
    switch (node.name) {
      case "StatementGroup":
        return parts.filter((part) => part.name !== ";").flatMap((part) => this.#statement(part, place));
      case "ExpressionStatement":
        return [{ kind: "expression", value: this.#expressions.list(node, parts), at }];
      case "AssignStatement":
        return [this.#assign(node, parts)];
      case "UpdateStatement": {
        const [left, sign, right] = parts;
        const operator = sign && UPDATES.get(textOf(this.#source, sign));
        if (!left || !operator || !right) throw unsupported(this.#source, sign ?? node);
        const target = this.#expressions.target(node, [left]);
        if (target.kind === "unpack") throw this.#expressions.error("only names and items can be updated", left);
        return [{ kind: "update", target, operator, value: this.#expressions.list(node, parts.slice(2)), at }];
      }
      case "IfStatement":
        return [this.#if(node, parts, place)];
      case "ForStatement":
        return [this.#for(node, parts, place)];
      case "FunctionDefinition":
        return [this.#def(node, parts)];
      case "ReturnStatement":
        if (!place.inFunction) throw this.#expressions.error("return stands only in a function", node);
        return [{ kind: "return", value: parts.length > 1 ? this.#expressions.list(node, parts.slice(1)) : undefined, at }];
      case "PassStatement":
        return [{ kind: "pass", at }];
      case "BreakStatement":
      case "ContinueStatement":
        if (!place.inLoop) throw this.#expressions.error(`${textOf(this.#source, node)} stands only in a loop`, node);
        return [{ kind: node.name === "BreakStatement" ? "break" : "continue", at }];
      default:
        throw unsupported(this.#source, node);
    }
  }

  #assign(node: SyntaxNode, parts: readonly SyntaxNode[]): Statement {
    const signs = parts.filter((part) => part.name === "AssignOp");
    const odd = parts.find((part) => part.name === "TypeDef") ?? signs[1];
    if (odd?.name === "TypeDef") throw unsupported(this.#source, odd);
    if (odd) throw this.#source.error("unsupported", "assign to one place at a time", odd.from);
    const split = parts.findIndex((part) => part.name === "AssignOp");
    if (split < 1) throw unsupported(this.#source, node);
    const target: Target = this.#expressions.target(node, parts.slice(0, split));
    return { kind: "assign", target, value: this.#expressions.list(node, parts.slice(split + 1)), at: node.from };
  }

  #if(node: SyntaxNode, parts: readonly SyntaxNode[], place: Place): Statement {
    const branches: { test: ReturnType<ExpressionBuilder["expression"]>; body: Statement[] }[] = [];
    let otherwise: Statement[] = [];
    let i = 0;
    while (i < parts.length) {
      const [keyword, second, third] = parts.slice(i, i + 3);
      if (keyword?.name === "else" && second) {
        otherwise = this.block(second, place);
        i += 2;
      } else if ((keyword?.name === "if" || keyword?.name === "elif") && second && third) {
        branches.push({ test: this.#expressions.expression(second), body: this.block(third, place) });
        i += 3;
      } else throw unsupported(this.#source, keyword ?? node);
    }
    return { kind: "if", branches, otherwise, at: node.from };
  }

  #for(node: SyntaxNode, parts: readonly SyntaxNode[], place: Place): Statement {
    const split = parts.findIndex((part) => part.name === "in");
    const end = parts.findIndex((part) => part.name === "Body");
    const body = parts[end];
    const after = parts[end + 1];
    if (parts[0]?.name !== "for" || split < 0 || !body) throw unsupported(this.#source, node);
    if (after) throw this.#source.error("unsupported", "a for loop has no else", after.from);
    return {
      kind: "for",
      target: this.#expressions.target(node, parts.slice(1, split)),
      items: this.#expressions.list(node, parts.slice(split + 1, end)),
      body: this.block(body, { ...place, inLoop: true }),
      at: node.from,
    };
  }

  #def(node: SyntaxNode, parts: readonly SyntaxNode[]): Statement {
    const [keyword, name, list, body, more] = parts;
    if (keyword?.name !== "def") throw this.#source.error("unsupported", "the rules language does not have async", node.from);
    if (name?.name !== "VariableName" || list?.name !== "ParamList") throw unsupported(this.#source, name ?? node);
    if (body?.name !== "Body" || more) throw unsupported(this.#source, body ?? node);
    return {
      kind: "def",
      name: this.#expressions.name(name),
      parameters: this.#expressions.parameters(list),
      body: this.block(body, { inLoop: false, inFunction: true }),
      at: node.from,
    };
  }
}
