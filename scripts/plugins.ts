/** What the bundler is told beyond its options, so that each role of the executable loads only what it needs. */
import { join } from "node:path";
import type { BunPlugin } from "bun";

/**
 * The MCP SDK's server imports Ajv for whoever gives it no validator. Ours gives it one (src/mcp/serve.ts), since Ajv compiles code from
 * strings; loading Ajv all the same would be 6 % of the time until a server answers.
 */
export const withoutAjv: BunPlugin = {
  name: "without Ajv",
  setup(build) {
    build.onLoad({ filter: /modelcontextprotocol[\\/]sdk[\\/].*[\\/]ajv-provider\.js$/ }, () => ({
      contents: 'export class AjvJsonSchemaValidator { constructor() { throw new Error("Ajv is not part of this executable"); } }',
      loader: "js",
    }));
  },
};

/**
 * The escalate helper, bundled by itself first. It starts once per exec, and cut into the pieces that it has in common with the worker
 * threads it would take a twentieth of Bun's start longer. What it may need later (proxy.ts, which loads node:fs) stays apart.
 * @throws AggregateError from the bundler
 */
export async function helperInOnePiece(root: string): Promise<BunPlugin> {
  const proxyApart: BunPlugin = {
    name: "proxy apart",
    setup(build) {
      build.onResolve({ filter: /^\.\/proxy\.ts$/ }, ({ path }) => ({ path, external: true }));
    },
  };
  const { outputs } = await Bun.build({
    entrypoints: [join(root, "src", "intercept", "bash", "helper.ts")],
    target: "bun",
    format: "esm",
    plugins: [proxyApart],
  });
  const whole = (await Promise.all(outputs.map((output) => output.text()))).join("");
  return {
    name: "helper in one piece",
    setup(build) {
      build.onLoad({ filter: /src[\\/]intercept[\\/]bash[\\/]helper\.ts$/ }, () => ({ contents: whole, loader: "js" }));
    },
  };
}
