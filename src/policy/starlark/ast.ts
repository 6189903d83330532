/**
 * The syntax tree of the rules language: all that a file can say, and nothing else. Whatever Python (or Starlark) has beyond this
 * cannot be represented, so cannot be evaluated. `at` is the offset of the node's first character.
 */

export type BinaryOperator = "or" | "and" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not in" | "+" | "-" | "*" | "/" | "//" | "%";

interface Node {
  readonly at: number;
}

export interface Parameter extends Node {
  readonly name: string;
  /** `*args`, `**kwargs`, or one value. */
  readonly kind: "one" | "rest" | "named-rest";
  /** True after `*` or `*args`: can only be given by name. */
  readonly namedOnly: boolean;
  readonly fallback: Expression | undefined;
}

export interface Argument extends Node {
  readonly kind: "positional" | "named" | "spread" | "named-spread";
  readonly name: string | undefined;
  readonly value: Expression;
}

export type Clause =
  | (Node & { readonly kind: "for"; readonly target: Target; readonly items: Expression })
  | (Node & { readonly kind: "if"; readonly test: Expression });

export type FormatPart = string | (Node & { readonly name: string; readonly repr: boolean });

export type Expression =
  | (Node & { readonly kind: "constant"; readonly value: null | boolean | number | string })
  | (Node & { readonly kind: "float"; readonly value: number })
  | (Node & { readonly kind: "name"; readonly name: string })
  | (Node & { readonly kind: "list" | "tuple"; readonly items: readonly Expression[] })
  | (Node & { readonly kind: "dict"; readonly entries: readonly (readonly [Expression, Expression])[] })
  | (Node & { readonly kind: "unary"; readonly operator: "-" | "+" | "not"; readonly operand: Expression })
  | (Node & { readonly kind: "binary"; readonly operator: BinaryOperator; readonly left: Expression; readonly right: Expression })
  | (Node & { readonly kind: "conditional"; readonly test: Expression; readonly yes: Expression; readonly otherwise: Expression })
  | (Node & { readonly kind: "call"; readonly callee: Expression; readonly args: readonly Argument[] })
  | (Node & { readonly kind: "index"; readonly object: Expression; readonly key: Expression })
  | (Node & {
      readonly kind: "slice";
      readonly object: Expression;
      /** start, stop, step; `undefined` where left out. */
      readonly bounds: readonly [Expression | undefined, Expression | undefined, Expression | undefined];
    })
  | (Node & { readonly kind: "attribute"; readonly object: Expression; readonly name: string })
  | (Node & { readonly kind: "list-comprehension"; readonly item: Expression; readonly clauses: readonly Clause[] })
  | (Node & {
      readonly kind: "dict-comprehension";
      readonly key: Expression;
      readonly value: Expression;
      readonly clauses: readonly Clause[];
    })
  | (Node & { readonly kind: "format"; readonly parts: readonly FormatPart[] })
  | (Node & { readonly kind: "lambda"; readonly parameters: readonly Parameter[]; readonly body: Expression });

export type Target =
  | (Node & { readonly kind: "name"; readonly name: string })
  | (Node & { readonly kind: "unpack"; readonly items: readonly Target[] })
  | (Node & { readonly kind: "index"; readonly object: Expression; readonly key: Expression });

export type Statement =
  | (Node & { readonly kind: "expression"; readonly value: Expression })
  | (Node & { readonly kind: "assign"; readonly target: Target; readonly value: Expression })
  | (Node & { readonly kind: "update"; readonly target: Target; readonly operator: BinaryOperator; readonly value: Expression })
  | (Node & {
      readonly kind: "if";
      readonly branches: readonly { readonly test: Expression; readonly body: readonly Statement[] }[];
      readonly otherwise: readonly Statement[];
    })
  | (Node & { readonly kind: "for"; readonly target: Target; readonly items: Expression; readonly body: readonly Statement[] })
  | (Node & {
      readonly kind: "def";
      readonly name: string;
      readonly parameters: readonly Parameter[];
      readonly body: readonly Statement[];
    })
  | (Node & { readonly kind: "return"; readonly value: Expression | undefined })
  | (Node & { readonly kind: "break" | "continue" | "pass" });
