/** What the bundler is told beyond its options, so that each role of the executable loads only what it needs. */
import { join } from "node:path";
import type { BunPlugin } from "bun";

/**
 * The MCP SDK without what we do not use, which would be a sixth of the time until a server answers.
 *
 * Its server imports Ajv for whoever gives it no validator; ours gives it one (src/mcp/serve.ts), since Ajv compiles code from strings.
 * And it builds a schema for every message there is, of which half are of no concern to a server: marked as free of side effects, those
 * are left out. Its protocol tells what kind a message is by trying one schema after the other; our transport has held each to be a
 * message before, so that one member tells, as it does for a request that is to be a task. @throws Error where it is no longer written as it was
 */
export const leanSdk: BunPlugin = {
  name: "lean MCP SDK",
  setup(build) {
    build.onLoad({ filter: /modelcontextprotocol[\\/]sdk[\\/].*[\\/]ajv-provider\.js$/ }, () => ({
      contents: 'export class AjvJsonSchemaValidator { constructor() { throw new Error("Ajv is not part of this executable"); } }',
      loader: "js",
    }));
    build.onLoad({ filter: /modelcontextprotocol[\\/]sdk[\\/]dist[\\/]esm[\\/]types\.js$/ }, async ({ path }) => {
      const text = await Bun.file(path).text();
      const contents = text.replace(SCHEMA, "$<name> = /* @__PURE__ */ (() => $<schema>)();\n");
      if (contents === text) throw new Error(`${path} holds no schemas`);
      let guards = 0;
      const lean = contents.replace(GUARD, (_, name: keyof typeof MARKS) => {
        guards++;
        return `export const is${name} = (value) => ${MARKS[name]};`;
      });
      if (guards !== Object.keys(MARKS).length) throw new Error(`${path} tells messages apart in another way`);
      return { contents: lean, loader: "js" };
    });
  },
};

/** A statement that makes one: it ends where the next line starts a statement or a comment. */
const SCHEMA = /^(?<name>(?:export )?const \w+Schema) = (?<schema>[^;][\s\S]*?);\n(?=export |const |[/])/gm;

/** How the SDK's protocol tells messages apart, and what does. */
const GUARD =
  /^export const is(JSONRPCResultResponse|JSONRPCErrorResponse|JSONRPCRequest|JSONRPCNotification|TaskAugmentedRequestParams) = \(value\) => \w+Schema\.safeParse\(value\)\.success;$/gm;
const MARKS = {
  JSONRPCResultResponse: '"result" in value',
  JSONRPCErrorResponse: '"error" in value',
  JSONRPCRequest: '"method" in value && "id" in value',
  JSONRPCNotification: '"method" in value && !("id" in value)',
  TaskAugmentedRequestParams: "value?.task !== undefined",
};

/**
 * The escalate helper, bundled by itself first. It starts once per exec, and cut into the pieces that it has in common with the worker
 * threads it would take a twentieth of Bun's start longer. What it may need later (stand-in.ts, which loads node:fs) stays apart.
 * @throws AggregateError from the bundler
 */
export async function helperInOnePiece(root: string): Promise<BunPlugin> {
  const laterApart: BunPlugin = {
    name: "what is needed later apart",
    setup(build) {
      build.onResolve({ filter: /\/(stand-in|own-strings)\.ts$/ }, ({ path }) => ({ path, external: true }));
    },
  };
  const { outputs } = await Bun.build({
    entrypoints: [join(root, "src", "intercept", "bash", "helper.ts")],
    target: "bun",
    format: "esm",
    plugins: [laterApart],
  });
  const whole = (await Promise.all(outputs.map((output) => output.text()))).join("");
  return {
    name: "helper in one piece",
    setup(build) {
      build.onLoad({ filter: /src[\\/]intercept[\\/]bash[\\/]helper\.ts$/ }, () => ({ contents: whole, loader: "js" }));
    },
  };
}
